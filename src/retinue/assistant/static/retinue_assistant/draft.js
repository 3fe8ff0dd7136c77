/* What is typed and not sent yet: it is there again when the page is. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const ALL = "retinue-draft:";

  const everythingOf = (user) => `${ALL}${encodeURIComponent(user)}:`;

  /* Of one chat: of its conversation or, as long as there is none, of its agent; and of whom the page is for. */
  class Draft {
    constructor(chat) {
      this.chat = chat;
    }

    get name() {
      const { user, session, agent } = this.chat.dataset;
      return everythingOf(user) + (session || agent);
    }

    read() {
      return retinue.memory.get(this.name);
    }

    keep(text) {
      retinue.memory.set(this.name, text);
    }
  }

  function forget(isOver) {
    retinue.memory.names().filter((name) => name.startsWith(ALL) && isOver(name))
      .forEach((name) => retinue.memory.set(name, ""));
  }

  // Nobody finds what somebody else has typed, nor does he himself once he has logged out.
  const user = document.querySelector("[data-user]")?.dataset.user;
  if (user !== undefined) forget((name) => !name.startsWith(everythingOf(user)));
  document.addEventListener("submit", (event) => event.target.matches("[data-rt-logout]") && forget(() => true));

  retinue.Draft = Draft;
})();
