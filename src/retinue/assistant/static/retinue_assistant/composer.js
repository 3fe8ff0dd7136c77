/* The field in which a message is written. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const WARN = 200; // characters before the limit

  class Composer {
    constructor(form, { send }) {
      this.form = form;
      this.input = form.querySelector("[data-rt-input]");
      this.counter = form.querySelector("[data-rt-counter]");
      this.button = form.querySelector("[data-rt-send]");
      this.error = form.querySelector("[data-rt-composer-error]");
      this.limit = Number(form.dataset.limit);
      this.input.addEventListener("input", () => this.changed());
      this.input.addEventListener("keydown", (event) => {
        // While a word is being composed from several keys, Enter ends the word.
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        form.requestSubmit();
      });
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
        if (!this.isSendable) return;
        send(this.input.value.trim());
        this.focus();
      });
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

    write(text) {
      this.input.value = text;
      this.changed();
    }

    focus() {
      this.input.focus();
    }
  }

  retinue.Composer = Composer;
})();
