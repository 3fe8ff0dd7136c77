/* The frame of the assistant's pages: the list of conversations and its menus. */
(() => {
  "use strict";
  const retinue = window.retinue;

  const FRAME = ["[data-rt-sessions]", "[data-rt-heading]", "[data-rt-tools]"];

  /* Takes the frame over from a newer page. */
  function refresh(page) {
    document.title = page.title;
    for (const selector of FRAME) {
      const [old, fresh] = [document, page].map((each) => each.querySelector(selector));
      if (!old || !fresh) continue;
      // An open menu stays under the hand, and the focus where it is; the rest follows afterwards.
      if (old.matches(":focus-within, :has(details[open])")) {
        old.addEventListener("focusout", () => setTimeout(refresh, 0, page), { once: true });
      } else old.replaceWith(document.importNode(fresh, true));
    }
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

  retinue.site = { refresh };
})();
