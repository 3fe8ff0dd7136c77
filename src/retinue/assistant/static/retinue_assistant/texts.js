/*
 * The words that scripts say, translated by the server: a JSON block of the page.
 *
 * The scripts are classic ones, loaded with `defer` in the order of _assets.html, and share the one name `retinue`.
 * ES modules would import each other by names that ManifestStaticFilesStorage has changed.
 */
(() => {
  "use strict";
  const retinue = (window.retinue = window.retinue || {});
  const block = document.getElementById("retinue-texts");
  retinue.texts = block ? JSON.parse(block.textContent) : {};
})();
