/* The events of one execution, through interruptions of every kind, up to its end. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const KINDS = ["state", "text", "thinking", "tool_call", "tool_result", "reset", "final"];
  const LONGEST_WAIT = 15000;
  const MOST_REFUSALS = 8;

  class Stream {
    /* `event(kind, data, id)`, `connection(isThere)`, and `lost()` when the server keeps refusing. */
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

    open() {
      const url = new URL(this.url, window.location.href);
      if (this.lastId) url.searchParams.set("after", this.lastId);
      const source = (this.source = new EventSource(url));
      source.onopen = () => {
        this.refusals = 0;
        this.connection(true);
      };
      // The browser connects again by itself, unless the server answered with an error.
      source.onerror = () => {
        this.connection(false);
        if (source.readyState === EventSource.CLOSED) this.retry();
      };
      for (const kind of KINDS) source.addEventListener(kind, (message) => this.take(kind, message));
    }

    take(kind, message) {
      this.lastId = message.lastEventId || this.lastId;
      // The server closes after the end, and the browser would come back for ever.
      if (kind === "final") this.close();
      this.event(kind, JSON.parse(message.data), this.lastId);
    }

    retry() {
      this.refusals += 1;
      if (this.refusals > MOST_REFUSALS) {
        this.close();
        this.lost();
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
      clearTimeout(this.timer);
      window.removeEventListener("online", this.now);
      this.source.close();
    }
  }

  retinue.Stream = Stream;
})();
