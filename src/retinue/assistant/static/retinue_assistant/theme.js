/* Light or dark, as chosen on this browser. Loaded before the page is drawn, so that it does not flash. */
(() => {
  "use strict";
  const key = "retinue-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const kept = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage is forbidden here
    }
  };
  const keep = (theme) => {
    try {
      localStorage.setItem(key, theme);
    } catch { /* then for this page only */ }
  };

  root.classList.add("rt-scripted");
  const show = () => {
    root.dataset.bsTheme = kept() || (system.matches ? "dark" : "light");
  };
  system.addEventListener("change", show);
  show();

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-rt-theme]")) return;
    root.dataset.bsTheme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    keep(root.dataset.bsTheme);
  });
})();
