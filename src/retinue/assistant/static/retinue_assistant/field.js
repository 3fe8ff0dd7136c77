/* A text field of a form in which a message is written: Enter sends it, and its characters are counted. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const WARN = 200; // characters before the limit

  class Field {
    constructor(form) {
      this.form = form;
      this.input = form.elements.prompt;
      this.counter = form.querySelector("[data-rt-counter]");
      this.button = form.querySelector("[data-rt-send]");
      this.error = form.querySelector("[data-rt-field-error]");
      this.limit = Number(form.dataset.limit);
      this.input.addEventListener("input", () => this.changed());
      this.input.addEventListener("keydown", (event) => {
        // While a word is being composed from several keys, Enter ends the word.
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        if (this.isSendable) form.requestSubmit();
      });
      form.closest("details")?.addEventListener("toggle", () => this.fit()); // what is hidden has no height
      form.addEventListener("reset", () => setTimeout(() => this.changed())); // the text is put back after the event
      this.changed();
    }

    get length() {
      return Array.from(this.input.value.trim()).length;
    }

    get isSendable() {
      return this.length > 0 && this.length <= this.limit;
    }

    changed() {
      const { length, limit } = this;
      const isTooLong = length > limit;
      this.counter.hidden = length < limit - WARN;
      this.counter.textContent = `${length} / ${limit}`;
      this.counter.classList.toggle("rt-over", isTooLong);
      this.input.setAttribute("aria-invalid", String(isTooLong));
      this.button.disabled = !this.isSendable;
      this.complain(isTooLong ? retinue.texts.tooLong.replace("%s", limit) : "");
      this.fit();
    }

    fit() {
      if (CSS.supports("field-sizing", "content")) return;
      this.input.style.height = "auto";
      this.input.style.height = `${this.input.scrollHeight}px`;
    }

    complain(message) {
      if (this.error.textContent !== message) this.error.textContent = message;
      this.error.hidden = !message;
    }

    focus() {
      this.input.focus();
    }
  }

  retinue.Field = Field;
})();
