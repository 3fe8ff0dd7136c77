/* Where the next message is written. */
(() => {
  "use strict";
  const retinue = window.retinue;

  class Composer extends retinue.Field {
    /* `draft`: what was typed here before and not sent; `send(text)`: takes a message. */
    constructor(form, { draft, send }) {
      super(form);
      this.draft = draft;
      this.input.autocomplete = "off"; // the browser's own memory does not know whose text it is
      if (!this.input.value) this.write(draft.read());
      window.addEventListener("pageshow", (event) => event.persisted && this.write(draft.read()));
      this.input.addEventListener("input", () => draft.keep(this.input.value));
      // What is wrong in a closed box cannot be seen, nor said by the browser.
      form.addEventListener("invalid", (event) => {
        const box = event.target.closest("details:not([open])");
        if (box) {
          box.open = true;
          event.target.focus();
        }
      }, true);
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        send(this.input.value.trim());
        this.focus();
      });
    }

    /* Puts a text there; it is a draft like one that was typed. */
    write(text) {
      this.input.value = text;
      this.changed();
      this.draft.keep(text);
    }
  }

  retinue.Composer = Composer;
})();
