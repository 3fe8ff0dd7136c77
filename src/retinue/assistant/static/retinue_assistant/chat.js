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
      this.acts = 0; // of this tab: a page that was asked for before one of them is older than what is here
      this.transcript = new retinue.Transcript(root, {
        changed: () => this.showState(),
        say: (text) => this.say(text),
      });
      this.transcript.ended = () => this.refreshAround();
      const form = root.querySelector("[data-rt-composer]");
      this.draft = new retinue.Draft(root);
      if (form) this.composer = new retinue.Composer(form, { draft: this.draft, send: (prompt) => this.ask(prompt) });
      root.addEventListener("submit", (event) => this.submit(event));
      root.addEventListener("click", (event) => this.click(event));
      root.addEventListener("keydown", (event) => this.keydown(event));
      document.addEventListener("visibilitychange", () => !document.hidden && this.root.dataset.url && this.refreshAround());
      root.classList.add("rt-live");
      this.showState();
    }

    say(text) {
      this.status.textContent = text;
    }

    showState() {
      const stop = this.root.querySelector("[data-rt-composer-stop]");
      if (stop) stop.hidden = !this.transcript?.turn?.querySelector('[data-rt-action="stop"]');
      const begin = this.root.querySelector("[data-rt-begin]");
      if (begin) begin.hidden = !this.root.dataset.session;
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
      this.acts += 1;
      try {
        const told = await retinue.request.send(this.composer.form, null, fields);
        this.belong(told);
        this.draft.keep(this.composer.input.value);
        await this.show(pending, told);
      } catch (refusal) {
        this.refuse(pending, fields, refusal);
      } finally {
        this.acts += 1;
      }
      this.settle();
    }

    belong({ session_id: id, session: url }) {
      if (this.composer.form.elements.session_id.value === id) return;
      if (this.root.dataset.session) this.transcript.clear(); // another conversation takes the place of that one
      this.moveTo(id, url);
      this.isStale = true;
      if (this.root.dataset.rtPage !== undefined) history.replaceState(null, "", url);
    }

    moveTo(id, url) {
      this.composer.form.elements.session_id.value = id;
      this.draft.keep(""); // what is typed goes along
      Object.assign(this.root.dataset, { session: id, url });
      this.draft.keep(this.composer.input.value);
    }

    /* Leaves the conversation, which goes on without this page: the next message begins another one. */
    begin() {
      this.acts += 1;
      this.moveTo("", "");
      this.transcript.empty();
      this.composer.focus();
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
      if (fresh.dataset.open !== "true") this.isStale = true; // no stream will tell that it ended
      this.transcript.watchNext();
    }

    refuse(pending, fields, refusal) {
      pending.dataset.status = "refused";
      if (!this.composer.input.value) this.draft.keep(fields.prompt); // for after a login, or a reload
      const isOver = ["unknown_session", "session_closed"].includes(refusal.code);
      if (isOver) refusal.message = retinue.texts.beginNew;
      this.transcript.complain(pending, refusal, () => {
        if (isOver) this.composer.form.elements.session_id.value = "";
        this.composer.focus();
        this.sending = this.sending.then(() => this.deliver(pending, fields));
      });
      if (refusal.status !== 401) this.refreshQuota();
    }

    /* Acting on a turn: every action is a form that works without this script, too. */

    async submit(event) {
      const form = event.target;
      const act = this[`after_${form.dataset.rtAction}`];
      if (!act) return;
      event.preventDefault();
      if (form.dataset.busy) return;
      form.dataset.busy = "true";
      this.acts += 1;
      const turn = form.closest("[data-rt-turn]");
      let refused = null;
      try {
        await act.call(this, turn, await retinue.request.send(form, event.submitter));
      } catch (refusal) {
        refused = refusal;
      } finally {
        this.acts += 1;
        delete form.dataset.busy;
      }
      if (!refused) {
        this.settle();
        return;
      }
      if (refused.status) await this.refreshAround(); // something happened in another tab
      this.transcript.complain(this.transcript.find(turn.dataset.execution) || turn, refused);
    }

    async after_stop(turn) {
      this.say(retinue.texts.stopping);
      if (this.transcript.turn === turn) return; // its stream tells the end
      await this.transcript.refresh(turn);
      this.transcript.watchNext();
    }

    async after_regenerate(turn, told) {
      if (this.root.dataset.rtAlone !== undefined) {
        window.location.assign(told.session);
        return;
      }
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
      const { answer } = this.transcript;
      if (this.transcript.turn === turn && !answer.isBehind) {
        await this.transcript.fetchQuestions(turn, answer);
        turn.focus({ preventScroll: true });
      } else {
        await this.transcript.refresh(turn);
        this.transcript.watchNext();
      }
    }

    click(event) {
      const opener = event.target.closest("[data-rt-edit] > summary");
      if (opener) setTimeout(() => this.beginEdit(opener.parentElement)); // it opens after the event
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.rtCopy) this.copy(button);
      else if (button.matches("[data-rt-cancel]")) this.closeEdit(button.closest("details"));
      else if (button.matches("[data-rt-composer-stop]")) this.stop();
      else if (button.matches("[data-rt-begin]")) this.sending = this.sending.then(() => this.begin());
      else if (button.matches("[data-rt-example]")) this.suggest(button.textContent);
    }

    suggest(question) {
      this.composer.write(question);
      this.composer.focus();
    }

    stop() {
      this.transcript.turn?.querySelector('[data-rt-action="stop"]')?.requestSubmit();
    }

    beginEdit(details) {
      const input = details.querySelector("textarea");
      input.focus();
      input.setSelectionRange(input.value.length, input.value.length);
    }

    closeEdit(details) {
      details.querySelector("form").reset();
      details.open = false;
      details.querySelector("summary").focus();
    }

    keydown(event) {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      const edit = event.target.closest("details[data-rt-edit][open]");
      if (edit) this.closeEdit(edit);
      else this.stop();
    }

    async copy(button) {
      const text = button.dataset.rtCopy === "code"
        ? button.parentElement.querySelector("code").textContent
        : this.sourceOf(button.closest(".rt-turn"));
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        this.say(retinue.texts.notCopied);
        return;
      }
      this.say(retinue.texts.copied);
      this.mark(button);
    }

    sourceOf(turn) {
      const { transcript } = this;
      return (transcript.turn === turn && transcript.answer.source)
        || Array.from(turn.querySelectorAll("[data-source]"), (each) => each.dataset.source).join("\n\n");
    }

    mark(button) {
      button.classList.add("rt-done");
      if (button.dataset.rtCopy === "code") button.textContent = retinue.texts.copied;
      setTimeout(() => {
        button.classList.remove("rt-done");
        if (button.dataset.rtCopy === "code") button.textContent = retinue.texts.copy;
      }, SHOWN);
    }

    /* What stands around the transcript */

    /* After an act of this tab: what stands around may be older than what came of it. */
    settle() {
      if (this.isStale) this.refreshAround();
      this.isStale = false;
    }

    /* Everything as the conversation's page has it now. */
    async refreshAround() {
      const { url, rtPage } = this.root.dataset;
      if (!url) {
        await this.refreshQuota();
        return;
      }
      const { acts } = this;
      try {
        const page = await retinue.request.fetchPage(url);
        this.showQuota(page.querySelector("[data-rt-quota]"));
        if (rtPage !== undefined) retinue.site?.refresh(page);
        const isPart = /[?&](before|replaced)\b/.test(window.location.search);
        if (acts === this.acts && !isPart) this.transcript.sync(page.querySelector("[data-rt-turns]"));
      } catch { /* what was there before stays */ }
    }

    async refreshQuota() {
      try {
        this.showQuota(await retinue.request.fetchElement(this.root.dataset.quotaUrl, "[data-rt-quota]"));
      } catch { /* the figures of before stay */ }
    }

    showQuota(fresh) {
      const place = this.root.querySelector("[data-rt-quota]");
      if (fresh && place && !place.querySelector("details[open]")) place.replaceWith(document.importNode(fresh, true));
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
