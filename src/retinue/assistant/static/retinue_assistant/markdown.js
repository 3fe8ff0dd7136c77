/* Markdown while it streams: what retinue.assistant.markdown makes of it once it is whole, but for colours in code. */
(() => {
  "use strict";
  const retinue = window.retinue;
  const { marked, DOMPurify } = window;

  const MAX_CHARS = 30000;
  const BIDI_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
  const LINK = /^(?:https?:|mailto:|\/)/i;
  const ALLOWED = {
    ALLOWED_TAGS: ("a blockquote br code del em h3 h4 h5 h6 hr li ol p pre s strong table tbody td th thead tr ul "
      + "#text").split(" "),
    ALLOWED_ATTR: ["href", "title", "start", "align", "data-language"],
    ALLOWED_URI_REGEXP: LINK,
    ADD_URI_SAFE_ATTR: ["start", "align", "data-language"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  };

  const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const visible = (text) => text.replace(BIDI_CONTROLS, "");

  const parser = new marked.Marked({
    gfm: true,
    breaks: true,
    // `undefined`: no such token; `false`: as usual.
    tokenizer: {
      html: () => undefined,
      tag: () => undefined,
      url: () => (retinue.texts.linkify ? false : undefined),
      del: (source) => (source.startsWith("~~") ? false : undefined),
    },
    renderer: {
      heading({ tokens, depth }) {
        const level = Math.min(depth + 2, 6);
        return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
      },
      code({ text, lang }) {
        const language = /^[\p{L}\p{N}_+#.-]{1,40}/u.exec(lang || "");
        const named = language ? ` data-language="${escape(language[0])}"` : "";
        return `<pre${named}><code>${escape(text)}\n</code></pre>\n`;
      },
      image({ href, text }) {
        const shown = escape(text || href);
        return LINK.test(href) ? `<a href="${escape(href)}">${shown}</a>` : shown;
      },
      checkbox: ({ checked }) => (checked ? "[x] " : "[ ] "),
    },
  });

  function copyButton() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "rt-copy-code";
    button.dataset.rtCopy = "code";
    button.dataset.testid = "copy-code";
    button.textContent = retinue.texts.copy;
    return button;
  }

  /* Gives finished and streaming answers what only a script can do. */
  function equip(root) {
    for (const pre of root.querySelectorAll("pre:not(.rt-plain, .rt-json)")) {
      if (pre.parentElement?.classList.contains("rt-code")) continue;
      const box = document.createElement("div");
      box.className = "rt-code";
      pre.replaceWith(box);
      box.append(pre, copyButton());
    }
    return root;
  }

  function finish(fragment) {
    for (const link of fragment.querySelectorAll("a")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
    }
    for (const block of fragment.querySelectorAll("p, li, h3, h4, h5, h6, blockquote, th, td")) block.dir = "auto";
    for (const pre of fragment.querySelectorAll("pre")) pre.tabIndex = 0;
    for (const table of fragment.querySelectorAll("table")) {
      const box = document.createElement("div");
      box.className = "rt-scroll";
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", retinue.texts.table);
      table.replaceWith(box);
      box.append(table);
    }
    return equip(fragment);
  }

  /* The text as a DocumentFragment, or null where it is too long or too odd to be anything but plain. */
  function render(text) {
    if (text.length > MAX_CHARS) return null;
    try {
      return finish(DOMPurify.sanitize(parser.parse(visible(text)), ALLOWED));
    } catch {
      return null;
    }
  }

  retinue.markdown = { equip, render, visible };
})();
