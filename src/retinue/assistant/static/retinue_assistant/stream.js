/* The events of one execution, through interruptions of every kind, up to its end. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const KINDS = ["state", "text", "thinking", "tool_call", "tool_result", "reset", "final"];
  const LONGEST_WAIT = 15000;
  const MOST_REFUSALS = 8;
  const FOR_NOW = [408, 425, 429]; // refusals that do not stand

  class Stream {
    /* `event(kind, data, id)`, `connection(isThere)`, and `lost(refusal)` when the server refuses for good: with why,
       where it said so. */
    constructor(url, { event, connection, lost }) {
      this.url = url;
      this.event = event;
      this.connection = connection;
      this.lost = lost;
      this.lastId = "";
      this.refusals = 0;
      this.now = () => this.reopen();
      window.addEventListener("online", this.now);
      this.open();
    }

    get address() {
      const url = new URL(this.url, window.location.href);
      if (this.lastId) url.searchParams.set("after", this.lastId);
      return url;
    }

    open() {
      const source = (this.source = new EventSource(this.address));
      source.onopen = () => {
        this.refusals = 0;
        this.connection(true);
      };
      // The browser connects again by itself, unless the server answered with an error.
      source.onerror = () => {
        this.connection(false);
        if (source.readyState === EventSource.CLOSED) this.look(source);
      };
      for (const kind of KINDS) source.addEventListener(kind, (message) => this.take(kind, message));
    }

    take(kind, message) {
      this.lastId = message.lastEventId || this.lastId;
      // The server closes after the end, and the browser would come back for ever.
      if (kind === "final") this.close();
      this.event(kind, JSON.parse(message.data), this.lastId);
    }

    /* A browser does not tell a script why it was refused: asked once more, the server does. */
    async look(source) {
      const request = new AbortController();
      let refusal = null;
      let isEnd = false;
      try {
        const response = await fetch(this.address, { signal: request.signal, headers: { Accept: "text/event-stream" } });
        const { status } = response;
        isEnd = status === 204;
        if (status >= 400 && status < 500 && !FOR_NOW.includes(status)) {
          refusal = await retinue.request.refusalOf(response);
        }
      } catch { /* the server is away */ }
      request.abort();
      if (this.source !== source || this.isClosed) return;
      if (refusal || isEnd) this.giveUp(refusal);
      else this.retry();
    }

    giveUp(refusal) {
      this.close();
      this.lost(refusal);
    }

    retry() {
      this.refusals += 1;
      if (this.refusals > MOST_REFUSALS) {
        this.giveUp(null);
        return;
      }
      const wait = Math.min(LONGEST_WAIT, 500 * 2 ** this.refusals) * (0.75 + Math.random() / 2);
      this.timer = setTimeout(this.now, wait);
    }

    reopen() {
      clearTimeout(this.timer);
      this.source.close();
      this.open();
    }

    close() {
      this.isClosed = true;
      clearTimeout(this.timer);
      window.removeEventListener("online", this.now);
      this.source.close();
    }
  }

  retinue.Stream = Stream;
})();
