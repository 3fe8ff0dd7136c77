/* One answer while it is given: events come in, texts and tool calls come out. */
(() => {
  "use strict";
  const retinue = window.retinue;

  const place = (id) => id.split("-").map(Number);
  const isBefore = (id, other) => {
    const [[epoch, seq], [otherEpoch, otherSeq]] = [place(id), place(other)];
    return epoch < otherEpoch || (epoch === otherEpoch && seq < otherSeq);
  };
  const pretty = (value) => retinue.markdown.visible(typeof value === "string" ? value : JSON.stringify(value, null, 2));

  class Answer {
    /* `turn`: the article; `make(name)`: a fresh copy of a template of the page. */
    constructor(turn, make) {
      this.turn = turn;
      this.make = make;
      this.box = turn.querySelector("[data-rt-parts]");
      this.parts = [];
      // The page has what was said until this event. The stream begins at the first one all the same: so the script
      // has the texts as they were written. What the page shows is replaced once the stream has come as far.
      this.shown = turn.dataset.after || "";
      this.fresh = document.createElement("div");
      this.status = "";
    }

    /* Whether the stream has yet to tell what the page shows already: its questions are newer than what is told. */
    get isBehind() {
      return this.shown !== "";
    }

    apply(kind, data, id) {
      if (id && this.isBehind && !isBefore(id, this.shown)) this.shown = "";
      this[kind]?.(data);
      if (this.isBehind) return;
      if (this.status) this.turn.dataset.status = this.status;
      if (this.fresh) this.catchUp(kind);
    }

    catchUp(kind) {
      // A run that is not streamed has no parts to offer: the page's own stay.
      if (!this.parts.length && kind !== "reset") return;
      const theirs = document.createElement("div");
      theirs.append(...this.box.childNodes);
      this.box.append(...this.fresh.childNodes);
      this.fresh = null;
      if (this.turn.dataset.status === "waiting") this.ask(theirs);
    }

    /* What was said so far, as Markdown; null while the page's own texts are shown. */
    get source() {
      if (this.fresh) return null;
      const texts = this.parts.filter((part) => part.kind === "text").map((part) => part.prose.text.toString());
      return retinue.markdown.visible(texts.join("\n\n"));
    }

    state({ status, resumed }) {
      this.status = status;
      if (resumed) this.turn.querySelector("[data-rt-resumed]").hidden = false;
    }

    text(data) {
      this.say("text", data);
    }

    thinking(data) {
      this.say("thinking", data);
    }

    tool_call({ step, call_id: id, tool, arguments: given }) {
      if (this.parts.some((part) => part.kind === "tool" && part.step === step && part.id === id)) return;
      const element = this.make("tool");
      element.dataset.call = id;
      element.querySelector("[data-rt-name]").textContent = retinue.markdown.visible(tool);
      element.querySelector("[data-rt-arguments]").textContent = pretty(given);
      this.add({ kind: "tool", step, id, element });
    }

    tool_result({ call_id: id, outcome, content, cut }) {
      // Providers may use an id again: the latest call has it.
      const part = this.parts.findLast((candidate) => candidate.kind === "tool" && candidate.id === id);
      if (!part) return;
      part.element.dataset.outcome = outcome;
      part.element.querySelector("[data-rt-result]").textContent = pretty(content) + (cut ? "…" : "");
      part.element.querySelector("[data-rt-approval]")?.remove();
    }

    reset({ step }) {
      this.parts.filter((part) => part.step >= step).forEach((part) => part.element.remove());
      this.parts = this.parts.filter((part) => part.step < step);
    }

    say(kind, { step, offset, text }) {
      let part = this.parts.find((candidate) => candidate.kind === kind && candidate.step === step);
      if (!part) {
        if (!text) return; // nothing is taken back from nothing
        const element = this.make(kind);
        const body = element.querySelector("[data-rt-body]") || element;
        const prose = new retinue.Prose(body, { isMarkdown: kind === "text" });
        part = { kind, step, element, prose };
        this.add(part);
      }
      part.prose.add(offset, text);
    }

    add(part) {
      this.parts.push(part);
      (this.fresh || this.box).append(part.element);
    }

    /* Whether everything that is asked can be seen. */
    asks(approvals) {
      const shown = Array.from(this.box.querySelectorAll("[data-rt-approval]"), (each) => each.dataset.rtApproval);
      return approvals.every(({ id }) => shown.includes(id)) && shown.length === approvals.length;
    }

    /* Puts the questions of the server's view of this turn to the calls that they are about. */
    ask(fragment) {
      this.withdraw();
      for (const question of fragment.querySelectorAll("[data-rt-approval]")) {
        const theirs = question.closest("[data-call]");
        const id = theirs.dataset.call;
        const part = this.parts.findLast((candidate) => candidate.kind === "tool" && id && candidate.id === id);
        if (part) {
          part.element.querySelector("[data-rt-tool-body]").append(question);
          part.element.open = true;
        } else {
          theirs.dataset.rtGrafted = "";
          (this.fresh || this.box).append(theirs);
        }
      }
    }

    withdraw() {
      this.box.querySelectorAll("[data-rt-grafted]").forEach((element) => element.remove());
      this.box.querySelectorAll("[data-rt-approval]").forEach((element) => element.remove());
    }
  }

  retinue.Answer = Answer;
})();
