/* The turns of one conversation: the one that is being answered is followed, the others stand still. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const NEAR = 60; // pixels from the bottom within which a reader wants to see what comes
  const TRIES = 6;

  /* Whether two views of one turn differ in what can be done with it. */
  const isOther = (turn, other) => turn.dataset.status !== other.dataset.status
    || Boolean(turn.querySelector("[data-rt-edit]")) !== Boolean(other.querySelector("[data-rt-edit]"));

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
      let height = 0;
      this.scroller.addEventListener("scroll", () => {
        const { scrollTop, scrollHeight, clientHeight } = this.scroller;
        const isNear = scrollHeight - scrollTop - clientHeight < NEAR;
        // Only the reader ends the following: the list moves by itself, too, when a turn is put in another's place.
        if (isNear || scrollHeight === height) this.follows = isNear;
        this.jump.hidden = this.follows || !this.list.childElementCount;
      }, { passive: true });
      // Who opens something wants to see it, not what comes below.
      this.list.addEventListener("click", (event) => {
        if (event.target.closest("summary")) this.follows = false;
      });
      this.jump.addEventListener("click", () => {
        this.toBottom();
        this.chat.querySelector("[data-rt-input]")?.focus({ preventScroll: true });
      });
      const grown = new ResizeObserver(() => {
        height = this.scroller.scrollHeight;
        if (this.follows) this.toBottom();
      });
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
      this.list.append(turn);
      this.showWelcome();
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
        if (!from || !to) continue;
        to.value = from.value;
        to.dispatchEvent(new Event("input"));
      }
    }

    refocus(turn, testid) {
      const again = turn.querySelector(`[data-testid="${testid}"]`);
      (again?.checkVisibility() ? again : turn).focus({ preventScroll: true });
    }

    equip(turn) {
      const edit = turn.querySelector(":scope > [data-rt-edit] form");
      if (edit) new retinue.Field(edit);
      for (const versions of turn.querySelectorAll("details[data-rt-versions]")) {
        versions.addEventListener("toggle", () => this.loadVersions(versions), { once: true });
      }
    }

    async loadVersions(versions) {
      for (const link of versions.querySelectorAll("a[data-rt-version]")) {
        try {
          const version = await retinue.request.fetchElement(link.dataset.url, "[data-rt-turn]");
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

    /* Says in the turn that it is about what did not work, and offers what helps. */
    complain(turn, { message, status }, retry = null) {
      turn.querySelector(":scope > [data-rt-refusal]")?.remove();
      const notice = this.make("refusal");
      const [login, reload, again] = ["login", "reload", "retry"].map((name) => notice.querySelector(`[data-rt-${name}]`));
      notice.querySelector("[data-rt-message]").textContent = message;
      if (login && status === 401) {
        const url = new URL(login.getAttribute("href"), window.location.href);
        url.searchParams.set("next", window.location.pathname + window.location.search);
        login.setAttribute("href", url.pathname + url.search);
        login.hidden = false;
      }
      reload.hidden = Boolean(retry) || ![403, 404, 409].includes(status);
      reload.addEventListener("click", () => window.location.reload());
      again.hidden = !retry;
      again.addEventListener("click", () => {
        notice.remove();
        retry();
      });
      const actions = turn.querySelector(":scope > .rt-actions");
      if (actions) actions.before(notice);
      else turn.append(notice);
      notice.scrollIntoView({ block: "nearest" });
      this.say(message);
    }

    clear() {
      this.list.querySelectorAll(":scope > [data-execution]").forEach((turn) => turn.remove());
    }

    empty() {
      this.unwatch();
      this.list.replaceChildren();
      this.showWelcome();
      this.changed();
    }

    showWelcome() {
      const welcome = this.chat.querySelector("[data-rt-welcome]");
      if (welcome) welcome.hidden = this.list.childElementCount > 0;
    }

    find(execution) {
      return this.list.querySelector(`:scope > [data-execution="${execution}"]`);
    }

    /* Takes over what a newer page has: turns of other tabs, and what became of those that are here. */
    sync(fresh) {
      const ours = Array.from(this.list.querySelectorAll(":scope > [data-execution]"));
      const all = Array.from(fresh.querySelectorAll(":scope > [data-rt-turn]"));
      const known = all.findIndex((each) => this.find(each.dataset.execution));
      // What came before the first turn here was left out of this page on purpose.
      const theirs = all.slice(known < 0 ? -ours.length : known).map((each) => document.importNode(each, true));
      const names = theirs.map((each) => each.dataset.execution);
      let last = null;
      for (const turn of theirs) {
        let here = this.find(turn.dataset.execution);
        if (!here) {
          retinue.markdown.equip(turn);
          this.equip(turn);
          if (last) last.after(turn);
          else this.list.prepend(turn);
          here = turn;
        } else if (here !== this.turn && isOther(here, turn)) here = this.replace(here, turn);
        last = here;
      }
      // Those that were edited or answered anew in another tab; that page may begin later than this one.
      const first = ours.findIndex((each) => names.includes(each.dataset.execution));
      for (const turn of ours.slice(Math.max(first, 0))) {
        if (turn !== this.turn && turn.isConnected && !names.includes(turn.dataset.execution)) turn.remove();
      }
      this.watchNext();
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
        lost: (refusal) => (refusal ? this.giveUp(turn, refusal) : this.finish(turn)),
      });
    }

    unwatch() {
      this.stream?.close();
      this.stream = this.turn = this.answer = null;
      this.showConnection(true);
    }

    take(turn, kind, data, id) {
      this.answer.apply(kind, data, id);
      if (kind === "state" && !this.answer.isBehind) {
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

    /* Nothing more comes: the page has to say why. */
    giveUp(turn, refusal) {
      this.unwatch();
      Object.assign(turn.dataset, { open: "false", status: "refused" });
      this.complain(turn, refusal);
      this.changed();
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
      else this.complain(turn, { message: end ? retinue.texts.reload : retinue.texts.unreachable, status: 409 });
      this.say(retinue.texts[end?.status] || retinue.texts.unreachable);
      this.ended?.();
      this.watchNext();
    }
  }

  retinue.Transcript = Transcript;
})();
