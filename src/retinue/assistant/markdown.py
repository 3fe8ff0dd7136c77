"""Markdown of a model made into HTML that can harm nobody."""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

logger = logging.getLogger(__name__)

MAX_CHARS = 50_000
"""A longer text is shown as it was written: no page waits seconds for one answer."""
MAX_NESTING = 50
"""A text with deeper lists or quotes is shown as it was written: a parser leaves out what lies deeper."""
MAX_CODE_CHARS = 20_000
"""Longer code is not coloured."""
LINKIFY = find_spec("linkify_it") is not None
"""Whether bare addresses become links."""

# The characters of Unicode's property Bidi_Control: they can show a text in another order than it has.
BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

HEADINGS_BELOW = 2  # a page has an h1, a turn may have an h2
DIRECTED = {"paragraph_open", "heading_open", "list_item_open", "blockquote_open", "th_open", "td_open"}
LANGUAGE = re.compile(r"[\w+#.-]{1,40}")
LINK = re.compile(r"(?:https?:|mailto:|/)", re.IGNORECASE)

CLEANER = nh3.Cleaner(
    tags={"a", "blockquote", "br", "code", "div", "em", "hr", "li", "ol", "p", "pre", "s", "span", "strong", "ul"}
    | {"h3", "h4", "h5", "h6", "table", "tbody", "td", "th", "thead", "tr"},
    clean_content_tags={"script", "style"},
    attributes={
        "*": {"dir"},
        "a": {"href", "title"},
        "code": {"class"},
        "div": {"class", "tabindex", "role", "aria-label"},
        "ol": {"start"},
        "pre": {"class", "data-language", "tabindex"},
        "span": {"class"},
        "td": {"align"},
        "th": {"align"},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative=lambda url: url if url.startswith("/") else None,
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def render(text: str) -> SafeString:
    """The text as HTML, whatever is in it: tables, links and coloured code, but no markup of its own and no images.

    An image would tell its server who reads the answer, and when: it becomes a link. Never raises.
    """
    text = visible(text)
    if len(text) > MAX_CHARS:
        return plain(text)
    try:
        html = _render(text)
    except Exception:  # a parser's fault is not the reader's: he gets the text
        logger.exception("A text could not be rendered as Markdown")
        html = ""
    # Nothing is left of a text that only defines links, either.
    return mark_safe(html) if html.strip() else plain(text)  # noqa: S308 (it was sanitised)


def plain(text: str) -> SafeString:
    """The text as it was written, its lines kept."""
    return mark_safe(f'<pre class="rt-plain" dir="auto" tabindex="0">{escape(text)}</pre>')  # noqa: S308 (escaped)


def visible(text: str) -> str:
    """The text in the order that it has, and in characters that exist: no bidi controls, no lone surrogates."""
    return BIDI_CONTROLS.sub("", text).encode("utf-8", "replace").decode("utf-8")


def _render(text: str) -> str:
    parser = _parser()
    env: dict[str, Any] = {}
    tokens = parser.parse(text, env)
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        return ""
    return CLEANER.clean(parser.renderer.render(tokens, parser.options, env))


@cache
def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": LINKIFY, "breaks": True, "maxNesting": MAX_NESTING}
    parser = MarkdownIt("commonmark", options)
    parser.enable(["table", "strikethrough", *(["linkify"] if LINKIFY else [])])
    if parser.linkify is not None:
        parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    parser.core.ruler.push("retinue", _adapt)
    parser.add_render_rule("fence", _code)
    parser.add_render_rule("code_block", _code)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("table_open", _table)
    parser.add_render_rule("table_close", lambda *_: "</table></div>")
    return parser


def _adapt(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in DIRECTED:
            token.attrSet("dir", "auto")
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + HEADINGS_BELOW, 6)}"
        # A strict Content-Security-Policy refuses the style attribute of aligned columns.
        if style := token.attrs.pop("style", None):
            token.attrs["align"] = str(style).removeprefix("text-align:")


def _code(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    found = LANGUAGE.match(token.info)
    language = found[0] if found else ""
    named = f' data-language="{language}"' if language else ""
    return f'<pre tabindex="0"{named}><code>{_coloured(token.content, language)}</code></pre>\n'


def _coloured(code: str, language: str) -> str:
    if language and len(code) <= MAX_CODE_CHARS:
        try:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        except ClassNotFound:
            pass
        else:
            return str(highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="rt-c-")))
    return escape(code)


def _table(*given: Any) -> str:
    """What is wider than its place scrolls by itself, with a keyboard, too."""
    return f'<div class="rt-scroll" tabindex="0" role="region" aria-label="{escape(_("Table"))}"><table>'


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    shown = escape(token.content or source)
    return f'<a href="{escape(source)}">{shown}</a>' if LINK.match(source) else shown
