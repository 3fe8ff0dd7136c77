/* What a tab remembers from page to page; nothing, where the browser forbids it. */
(() => {
  "use strict";
  const retinue = window.retinue;

  /* The text under a name; an empty one, where there is none. */
  function get(name) {
    try {
      return sessionStorage.getItem(name) || "";
    } catch {
      return "";
    }
  }

  /* Keeps a text under a name; forgets what is there, where it is empty. */
  function set(name, text) {
    try {
      if (text) sessionStorage.setItem(name, text);
      else sessionStorage.removeItem(name);
    } catch { /* then for this page only */ }
  }

  function names() {
    try {
      return Object.keys(sessionStorage);
    } catch {
      return [];
    }
  }

  retinue.memory = { get, set, names };
})();
