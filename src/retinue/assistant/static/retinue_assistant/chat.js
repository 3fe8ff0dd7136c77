/* A chat: its composer, its transcript, and what can be done with a turn. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const SHOWN = 2000; // milliseconds for which "Copied" stands

  const key = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

  class Chat {
    constructor(root) {
      this.root = root;
      this.status = root.querySelector("[data-rt-status]");
      this.sending = Promise.resolve();
      this.transcript = new retinue.Transcript(root, {
        changed: () => this.showState(),
        say: (text) => this.say(text),
      });
      this.transcript.ended = () => this.refreshAround();
      const form = root.querySelector("[data-rt-composer]");
      if (form) this.composer = new retinue.Composer(form, { send: (prompt) => this.ask(prompt) });
      root.addEventListener("submit", (event) => this.submit(event));
      root.addEventListener("click", (event) => this.click(event));
      root.addEventListener("keydown", (event) => this.keydown(event));
      root.classList.add("rt-live");
      this.showState();
    }

    say(text) {
      this.status.textContent = text;
    }

    showState() {
      const stop = this.root.querySelector("[data-rt-composer-stop]");
      if (stop) stop.hidden = !this.transcript?.turn?.querySelector('[data-rt-action="stop"]');
    }

    /* Asking */

    ask(prompt) {
      const pending = this.transcript.make("turn");
      pending.querySelector("[data-rt-prompt]").textContent = retinue.markdown.visible(prompt);
      this.transcript.append(pending);
      this.composer.write("");
      const fields = { prompt, idempotency_key: key() };
      // One after the other: the second message belongs to the conversation that the first one begins.
      this.sending = this.sending.then(() => this.deliver(pending, fields));
    }

    async deliver(pending, fields) {
      pending.dataset.status = "sending";
      try {
        const told = await retinue.request.send(this.composer.form, null, fields);
        this.belong(told);
        await this.show(pending, told);
      } catch (refusal) {
        this.refuse(pending, fields, refusal);
      }
    }

    belong({ session_id: id, session: url }) {
      const field = this.composer.form.elements.session_id;
      if (field.value === id) return;
      field.value = id;
      this.root.dataset.session = id;
      this.isNew = true;
      if (this.root.dataset.rtPage !== undefined) history.replaceState(null, "", url);
    }

    async show(turn, told) {
      let fresh;
      try {
        fresh = await this.transcript.fetch(told.turn);
      } catch {
        fresh = turn; // the stream tells the rest
        Object.assign(turn.dataset, { status: told.status, open: "true", events: told.events, url: told.turn });
      }
      if (fresh !== turn) this.transcript.replace(turn, fresh);
      this.transcript.watchNext();
      if (this.isNew) this.refreshAround();
      this.isNew = false;
    }

    refuse(pending, fields, refusal) {
      pending.dataset.status = "refused";
      const notice = this.transcript.make("refusal");
      notice.querySelector("[data-rt-message]").textContent = refusal.message;
      notice.querySelector("[data-rt-login]").hidden = refusal.status !== 401;
      notice.querySelector("[data-rt-retry]").addEventListener("click", () => {
        notice.remove();
        this.composer.focus();
        this.sending = this.sending.then(() => this.deliver(pending, fields));
      });
      pending.append(notice);
      this.say(refusal.message);
      this.refreshQuota();
    }

    /* Acting on a turn: every action is a form that works without this script, too. */

    async submit(event) {
      const form = event.target;
      const act = this[`after_${form.dataset.rtAction}`];
      if (!act) return;
      event.preventDefault();
      if (form.dataset.busy) return;
      form.dataset.busy = "true";
      const turn = form.closest("[data-rt-turn]");
      try {
        await act.call(this, turn, await retinue.request.send(form, event.submitter));
      } catch (refusal) {
        this.transcript.complain(turn, refusal.message);
      } finally {
        delete form.dataset.busy;
      }
    }

    async after_stop(turn) {
      this.say(retinue.texts.stopping);
      if (this.transcript.turn === turn) return; // its stream tells the end
      await this.transcript.refresh(turn);
      this.transcript.watchNext();
    }

    async after_regenerate(turn, told) {
      await this.show(turn, told);
      this.transcript.toBottom();
      this.composer?.focus();
    }

    async after_edit(turn, told) {
      turn.querySelector("[data-rt-edit]").open = false;
      await this.after_regenerate(turn, told);
    }

    async after_rate(turn) {
      const fresh = await this.transcript.refresh(turn);
      const note = fresh.querySelector("[data-rt-note]");
      if (note) note.open = true;
      this.say(retinue.texts.thanks);
    }

    async after_note(turn) {
      turn.querySelector("[data-rt-note]").open = false;
      await this.transcript.refresh(turn);
      this.say(retinue.texts.thanks);
    }

    async after_decide(turn) {
      if (this.transcript.turn === turn) {
        await this.transcript.fetchQuestions(turn, this.transcript.answer);
        turn.focus({ preventScroll: true });
      } else {
        await this.transcript.refresh(turn);
        this.transcript.watchNext();
      }
    }

    click(event) {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.rtCopy) this.copy(button);
      else if (button.matches("[data-rt-cancel]")) this.closeEdit(button.closest("details"));
      else if (button.matches("[data-rt-composer-stop]")) this.stop();
    }

    stop() {
      this.transcript.turn?.querySelector('[data-rt-action="stop"]')?.requestSubmit();
    }

    closeEdit(details) {
      details.querySelector("form").reset();
      details.open = false;
      details.querySelector("summary").focus();
    }

    keydown(event) {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches("[data-rt-edit-input]")) {
        event.preventDefault();
        event.target.form.requestSubmit();
      }
      if (event.key !== "Escape" || event.defaultPrevented) return;
      const edit = event.target.closest("details[data-rt-edit][open]");
      if (edit) this.closeEdit(edit);
      else this.stop();
    }

    async copy(button) {
      const text = button.dataset.rtCopy === "code"
        ? button.parentElement.querySelector("code").textContent
        : Array.from(button.closest("[data-rt-turn]").querySelectorAll("[data-source]"), (each) => each.dataset.source).join("\n\n");
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        this.say(retinue.texts.notCopied);
        return;
      }
      this.say(retinue.texts.copied);
      button.classList.add("rt-done");
      setTimeout(() => button.classList.remove("rt-done"), SHOWN);
    }

    /* What stands around the transcript */

    refreshAround() {
      this.refreshQuota();
      if (this.root.dataset.rtPage !== undefined) retinue.site?.refreshSessions(this.root.dataset.session);
    }

    async refreshQuota() {
      const place = this.root.querySelector("[data-rt-quota]");
      if (!place) return;
      try {
        const fresh = await retinue.request.fetchElement(this.root.dataset.quotaUrl, "[data-rt-quota]");
        if (fresh) place.replaceWith(fresh);
      } catch { /* the figures of before stay */ }
    }
  }

  const chats = Array.from(document.querySelectorAll("[data-rt-chat]"), (root) => new Chat(root));

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const composer = chats.find((chat) => chat.composer)?.composer;
    if (!composer) return;
    event.preventDefault();
    composer.focus();
  });

  retinue.Chat = Chat;
})();
