/* A chat in a <details> of a page: who has opened it finds it open on the next page. */
(() => {
  "use strict";
  const { memory } = window.retinue;

  for (const chat of document.querySelectorAll("[data-rt-widget]")) {
    const fold = chat.closest("details");
    if (!fold) continue;
    const name = `retinue-open:${chat.dataset.agent}`;
    if (memory.get(name)) fold.open = true;
    fold.addEventListener("toggle", () => memory.set(name, fold.open ? "yes" : ""));
  }
})();
