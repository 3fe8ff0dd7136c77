/* The frame of the assistant's pages: the list of conversations and its menus. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const place = () => document.querySelector("[data-rt-sessions]");

  async function refreshSessions(session) {
    if (!place()) return;
    try {
      const url = session && document.querySelector(`[data-rt-chat]`)
        ? window.location.href
        : place().dataset.url;
      const fresh = await retinue.request.fetchElement(url, "[data-rt-sessions]");
      if (!fresh) return;
      // An open menu stays under the hand, and the focus where it is; the list follows afterwards.
      if (place().matches(":focus-within, :has(details[open])")) {
        place().addEventListener("focusout", () => setTimeout(refreshSessions, 0, session), { once: true });
      } else place().replaceWith(fresh);
    } catch { /* the list of before stays */ }
  }

  // One menu at a time, closed by Escape and by a click elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details[data-rt-menu][open]")) {
      if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.("details[data-rt-menu][open]");
    if (!menu) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  }, true);

  retinue.site = { refreshSessions };
})();
