/* A text that grows, drawn as Markdown no oftener than it is worth. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const SHARE = 6; // a drawing that took 10 ms is followed by a rest of 60 ms
  const MOST_COST = 150; // milliseconds; what takes longer is drawn as plain text
  const SHORT = 2000; // characters that are drawn as Markdown whatever it takes: there, it is the machine that is slow
  const PIECE = 4000; // characters of plain text that are laid out together

  const length = (text) => {
    let count = 0;
    for (const _ of text) count += 1; // offsets count characters, not UTF-16 units
    return count;
  };

  /* The chunks of one text. What is delivered twice, or in other pieces, does no harm. */
  class Text {
    constructor() {
      this.chunks = [];
    }

    add(offset, text) {
      while (this.chunks.length && this.chunks.at(-1).offset >= offset) this.chunks.pop();
      const last = this.chunks.at(-1);
      if (last && last.end > offset) {
        last.text = Array.from(last.text).slice(0, offset - last.offset).join("");
        last.end = offset;
      }
      this.chunks.push({ offset, text, end: offset + length(text) });
    }

    toString() {
      if (this.chunks.length > 1) {
        const [first] = this.chunks;
        // Two chunks, the settled one and the last one, join faster than ten thousand.
        const settled = this.chunks.slice(0, -1);
        this.chunks = [
          { offset: first.offset, text: settled.map((c) => c.text).join(""), end: settled.at(-1).end },
          this.chunks.at(-1),
        ];
      }
      return this.chunks.map((chunk) => chunk.text).join("");
    }
  }

  class Prose {
    constructor(element, { isMarkdown }) {
      this.element = element;
      this.text = new Text();
      this.isMarkdown = isMarkdown;
      this.shown = "";
      this.due = 0;
    }

    add(offset, text) {
      this.text.add(offset, text);
      this.draw();
    }

    draw() {
      if (this.frame || this.timer) return;
      const wait = this.due - performance.now();
      if (wait > 0 && !document.hidden) this.timer = setTimeout(() => this.next(), wait);
      else this.next();
    }

    next() {
      this.timer = null;
      this.frame = requestAnimationFrame(() => {
        this.frame = null;
        const start = performance.now();
        this.render(this.text.toString());
        const cost = performance.now() - start;
        if (cost > MOST_COST && this.shown.length > SHORT) this.isMarkdown = false;
        this.due = performance.now() + cost * SHARE;
      });
    }

    render(text) {
      const fragment = this.isMarkdown ? retinue.markdown.render(text) : null;
      if (fragment) this.replaceTail(fragment);
      else this.renderPlain(retinue.markdown.visible(text));
      this.shown = text;
    }

    /* Leaves alone what stays as it is: a selection there survives. */
    replaceTail(fragment) {
      const fresh = Array.from(fragment.childNodes);
      const old = Array.from(this.element.childNodes);
      let same = 0;
      while (same < old.length && same < fresh.length && old[same].isEqualNode(fresh[same])) same += 1;
      old.slice(same).forEach((node) => node.remove());
      this.element.append(...fresh.slice(same));
    }

    renderPlain(text) {
      let box = this.element.querySelector(":scope > .rt-plain");
      if (!box || !text.startsWith(this.plain || "")) {
        box = document.createElement("div");
        box.className = "rt-plain";
        box.dir = "auto";
        this.element.replaceChildren(box);
        this.plain = "";
      }
      let rest = text.slice(this.plain.length);
      this.plain = text;
      while (rest) {
        let last = box.lastChild;
        if (!last || last.textContent.length >= PIECE) {
          last = document.createElement("span");
          last.append("");
          box.append(last);
        }
        const cut = rest.slice(0, PIECE);
        last.append(cut);
        rest = rest.slice(cut.length);
      }
    }
  }

  retinue.Text = Text;
  retinue.Prose = Prose;
})();
