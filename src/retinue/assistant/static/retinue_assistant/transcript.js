/* The turns of one conversation: the one that is being answered is followed, the others stand still. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const NEAR = 60; // pixels from the bottom within which a reader wants to see what comes
  const TRIES = 6;

  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  class Transcript {
    /* `chat`: the whole; `changed()`: a turn began or ended; `say(text)`: tells a screen reader. */
    constructor(chat, { changed, say }) {
      this.chat = chat;
      this.scroller = chat.querySelector("[data-rt-scroller]");
      this.list = chat.querySelector("[data-rt-turns]");
      this.jump = chat.querySelector("[data-rt-jump]");
      this.changed = changed;
      this.say = say;
      this.follows = false;
      this.watchScroll();
      retinue.markdown.equip(this.list);
      this.list.querySelectorAll("[data-rt-turn]").forEach((turn) => this.equip(turn));
      this.begin();
      this.watchNext();
      window.addEventListener("pagehide", () => this.unwatch());
      window.addEventListener("pageshow", (event) => event.persisted && this.watchNext());
    }

    make(name) {
      const template = this.chat.querySelector(`template[data-rt-template="${name}"]`);
      return template.content.firstElementChild.cloneNode(true);
    }

    /* Scrolling */

    watchScroll() {
      this.scroller.addEventListener("scroll", () => {
        const { scrollTop, scrollHeight, clientHeight } = this.scroller;
        this.follows = scrollHeight - scrollTop - clientHeight < NEAR;
        this.jump.hidden = this.follows || !this.list.childElementCount;
      }, { passive: true });
      this.jump.addEventListener("click", () => {
        this.toBottom();
        this.chat.querySelector("[data-rt-input]")?.focus({ preventScroll: true });
      });
      const grown = new ResizeObserver(() => this.follows && this.toBottom());
      grown.observe(this.list);
      grown.observe(this.scroller);
    }

    /* At the turn that the address names, else at the last one; a welcome is read from its beginning. */
    begin() {
      const named = window.location.hash && document.getElementById(window.location.hash.slice(1));
      if (named && this.list.contains(named)) named.scrollIntoView();
      else if (this.list.childElementCount) this.toBottom();
    }

    toBottom() {
      this.follows = true;
      this.jump.hidden = true;
      this.scroller.scrollTop = this.scroller.scrollHeight;
    }

    /* Turns */

    append(turn) {
      this.chat.querySelector("[data-rt-welcome]")?.remove();
      this.list.append(turn);
      this.toBottom();
    }

    /* Puts the server's view of a turn in the place of what is there. */
    replace(turn, fresh) {
      const focused = turn.contains(document.activeElement) && document.activeElement.closest("[data-testid]");
      retinue.markdown.equip(fresh);
      this.equip(fresh);
      this.carryOver(turn, fresh);
      turn.replaceWith(fresh);
      if (focused) this.refocus(fresh, focused.dataset.testid);
      return fresh;
    }

    /* What somebody has opened stays open, and what he is typing there is kept. */
    carryOver(turn, fresh) {
      const name = (details) => `${details.className} ${details.dataset.call || ""}`;
      const successors = Array.from(fresh.querySelectorAll("details"));
      for (const old of turn.querySelectorAll("details[open]")) {
        const successor = successors.find((each) => name(each) === name(old));
        if (!successor) continue;
        successor.open = true;
        const [from, to] = [old, successor].map((each) => each.querySelector("textarea"));
        if (from && to) to.value = from.value;
      }
    }

    refocus(turn, testid) {
      const again = turn.querySelector(`[data-testid="${testid}"]`);
      (again?.checkVisibility() ? again : turn).focus({ preventScroll: true });
    }

    equip(turn) {
      for (const versions of turn.querySelectorAll("details[data-rt-versions]")) {
        versions.addEventListener("toggle", () => this.loadVersions(versions), { once: true });
      }
    }

    async loadVersions(versions) {
      for (const link of versions.querySelectorAll("a[data-rt-version]")) {
        try {
          const version = await retinue.request.fetchElement(link.href, "[data-rt-turn]");
          version.dataset.testid = "version";
          delete version.dataset.rtTurn;
          link.closest("li").replaceChildren(retinue.markdown.equip(version));
        } catch { /* the link stays */ }
      }
    }

    async fetch(url) {
      const turn = await retinue.request.fetchElement(url, "[data-rt-turn]");
      if (!turn) throw new Error(retinue.texts.failed);
      return turn;
    }

    async refresh(turn) {
      return this.replace(turn, await this.fetch(turn.dataset.url));
    }

    /* A sentence about what did not work, in the turn that it is about. */
    complain(turn, message) {
      const place = turn.querySelector("[data-rt-complaint]");
      place.textContent = message;
      place.hidden = false;
    }

    /* Following the turn that is being answered. Those that wait their turn are watched when it comes: a browser has
       only a few connections for all of its tabs. */

    get openTurns() {
      return Array.from(this.list.querySelectorAll('[data-rt-turn][data-open="true"]'));
    }

    watchNext() {
      const [turn] = this.openTurns;
      if (turn && this.turn !== turn) {
        this.unwatch();
        this.watch(turn);
      }
      this.changed();
    }

    watch(turn) {
      this.turn = turn;
      this.answer = new retinue.Answer(turn, (name) => this.make(name));
      this.say(retinue.texts.working);
      this.stream = new retinue.Stream(turn.dataset.events, {
        event: (kind, data, id) => this.take(turn, kind, data, id),
        connection: (isThere) => this.showConnection(isThere),
        lost: () => this.finish(turn),
      });
    }

    unwatch() {
      this.stream?.close();
      this.stream = this.turn = this.answer = null;
      this.showConnection(true);
    }

    take(turn, kind, data, id) {
      this.answer.apply(kind, data, id);
      if (kind === "state") {
        if (data.status !== "waiting") this.answer.withdraw();
        else if (!this.answer.asks(data.approvals || [])) this.fetchQuestions(turn, this.answer);
        this.changed();
      }
      if (kind === "final") this.finish(turn, data);
    }

    async fetchQuestions(turn, answer) {
      try {
        const fragment = await this.fetch(turn.dataset.url);
        if (this.answer !== answer || turn.dataset.status !== "waiting") return;
        answer.ask(fragment);
        this.say(retinue.texts.waiting);
      } catch { /* the page says that it waits; loading it again shows for what */ }
    }

    showConnection(isThere) {
      const place = this.chat.querySelector("[data-rt-connection]");
      place.hidden = isThere;
    }

    async finish(turn, end) {
      const answer = this.answer;
      let fresh = null;
      for (let tries = 1; tries <= TRIES && !fresh; tries += 1) {
        try {
          const found = await this.fetch(turn.dataset.url);
          if (!end || found.dataset.open !== "true") fresh = found;
        } catch { /* the server may be away for a moment */ }
        if (!fresh) await pause(200 * 2 ** tries);
      }
      if (this.answer !== answer) return;
      this.unwatch();
      turn.dataset.open = "false";
      if (end) turn.dataset.status = end.status;
      if (fresh && (end || fresh.dataset.open !== "true")) this.replace(turn, fresh);
      else this.complain(turn, end ? retinue.texts.reload : retinue.texts.unreachable);
      this.say(retinue.texts[end?.status] || retinue.texts.unreachable);
      this.ended?.();
      this.watchNext();
    }
  }

  retinue.Transcript = Transcript;
})();
