import time

import pytest

from retinue.assistant import markdown
from retinue.assistant.markdown import MAX_CHARS, MAX_NESTING, render

REL = 'target="_blank" rel="noopener noreferrer nofollow"'


def paragraph(html):
    return f'<p dir="auto">{html}</p>'


def plainly(text):
    return f'<pre class="rt-plain" dir="auto" tabindex="0">{text}</pre>'


def test_text_is_rendered():
    html = render("# Lamps\n\nThey are **bright**, ~~cheap~~\nand `on`.\n\n3. one\n4. two\n\n> said")
    assert html == (
        '<h3 dir="auto">Lamps</h3>\n'
        '<p dir="auto">They are <strong>bright</strong>, <s>cheap</s><br>\nand <code>on</code>.</p>\n'
        '<ol start="3">\n<li dir="auto">one</li>\n<li dir="auto">two</li>\n</ol>\n'
        '<blockquote dir="auto">\n<p dir="auto">said</p>\n</blockquote>\n'
    )
    assert hasattr(html, "__html__")


@pytest.mark.parametrize(("marks", "level"), [("#", 3), ("##", 4), ("####", 6), ("######", 6)])
def test_headings_begin_below_those_of_the_page(marks, level):
    assert render(f"{marks} Lamps") == f'<h{level} dir="auto">Lamps</h{level}>\n'


def test_table_aligns_without_a_style_attribute_and_scrolls_by_itself():
    html = render("|a|b|\n|-|-:|\n|1|2|\n")
    assert html.startswith('<div class="rt-scroll" tabindex="0" role="region" aria-label="Table"><table>')
    assert '<td dir="auto">1</td>\n<td dir="auto" align="right">2</td>' in html
    assert "style" not in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a <script>alert(1)</script>", paragraph("a &lt;script&gt;alert(1)&lt;/script&gt;")),
        ("<b onclick=x>b</b>", paragraph("&lt;b onclick=x&gt;b&lt;/b&gt;")),
        ("<div><p>a</div>", paragraph("&lt;div&gt;&lt;p&gt;a&lt;/div&gt;")),
        ("<!-- a --> b", paragraph("&lt;!-- a --&gt; b")),
        ("<style>*{}</style>", paragraph("&lt;style&gt;*{}&lt;/style&gt;")),
        ("<svg/onload=alert(1)>", paragraph("&lt;svg/onload=alert(1)&gt;")),
        ("&lt;script&gt;", paragraph("&lt;script&gt;")),
    ],
)
def test_markup_is_shown_as_text(text, html):
    assert render(text).strip() == html


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "&#x6A;avascript&colon;alert(1)",
        "java&#10;script:alert(1)",
        "vbscript:x",
        "file:///etc/passwd",
        "data:text/html,<script>alert(1)</script>",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "tel:123",
        "ftp://example.com",
    ],
)
def test_link_to_anything_but_the_web_and_mail_leads_nowhere(target):
    for text in (f"[a]({target})", f"[a](<{target}>)", f"<{target}>", f"[a]\n\n[a]: {target}", f"![a]({target})"):
        html = render(text)
        assert "href=" not in html and "src=" not in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("[a](https://b.example/?c=1&d=2 't')", f'<a href="https://b.example/?c=1&amp;d=2" title="t" {REL}>a</a>'),
        ("[a](mailto:b@c.example)", f'<a href="mailto:b@c.example" {REL}>a</a>'),
        ("[a](/products/1/)", f'<a href="/products/1/" {REL}>a</a>'),
        ("<https://b.example>", f'<a href="https://b.example" {REL}>https://b.example</a>'),
        ('[a](https://b.example/"onclick="x)', f'<a href="https://b.example/%22onclick=%22x" {REL}>a</a>'),
    ],
)
def test_good_link_tells_its_target_nothing(text, html):
    assert render(text) == f"{paragraph(html)}\n"


def test_image_is_a_link():
    assert render("![A lamp](https://b.example/l.png)") == (
        f'{paragraph(f"""<a href="https://b.example/l.png" {REL}>A lamp</a>""")}\n'
    )
    assert "<img" not in render("![](https://b.example/l.png) ![x](data:image/png;base64,AAAA) [![y](//c/d)](/e)")


def test_code_is_coloured():
    assert render("```python\nif x:\n```") == (
        '<pre tabindex="0" data-language="python"><code><span class="rt-c-k">if</span> '
        '<span class="rt-c-n">x</span><span class="rt-c-p">:</span>\n</code></pre>\n'
    )


@pytest.mark.parametrize("text", ["```\na < b\n```", "```klingon\na < b\n```", "    a < b"])
def test_code_of_no_known_language_is_left_as_it_is(text):
    assert "<code>a &lt; b\n</code></pre>" in render(text)


def test_half_a_fence_is_code():
    assert render("Run:\n\n```klingon\na = '<b>'") == (
        f'{paragraph("Run:")}\n<pre tabindex="0" data-language="klingon"><code>a = \'&lt;b&gt;\'</code></pre>\n'
    )


def test_language_of_code_is_a_word():
    html = render('```js"><script>alert(1)</script>\nx\n```')
    assert html == '<pre tabindex="0" data-language="js"><code><span class="rt-c-nx">x</span>\n</code></pre>\n'


@pytest.mark.parametrize("control", [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"])
def test_characters_that_turn_a_text_around_are_left_out(control):
    assert render(f"Pay {control}001 now, `x{control}y`") == f"{paragraph('Pay 001 now, <code>xy</code>')}\n"
    assert control not in render("a" * MAX_CHARS + control)


@pytest.mark.parametrize(
    "text",
    [
        "**bold *both",
        "| a | b\n|--\n| `c | d |",
        "> - 1. [link](<",
        "![](",
        "[x]: ",
        "\\<\\> \x00 \x01",
        "~~~~~",
        "a\ud800b",
        "`" * 99,
        "*" * 99,
    ],
)
def test_broken_text_is_rendered_somehow(text):
    assert render(text)


def test_lone_surrogate_becomes_a_question_mark():
    assert render("a\ud800b") == f"{paragraph('a?b')}\n"


def test_nothing_is_nothing():
    assert render("") == plainly("")


def test_text_deeper_than_the_parser_goes_is_kept():
    assert render(">" * MAX_NESTING + "the end").count("the end") == 1
    assert render("> " * 2 + "the end").startswith("<blockquote")


def test_text_of_nothing_but_definitions_is_kept():
    assert render("[a]: https://b.example") == plainly("[a]: https://b.example")


def test_long_text_is_plain():
    assert render("*a* <b>" + " " * MAX_CHARS) == plainly("*a* &lt;b&gt;" + " " * MAX_CHARS)
    assert render("*a*" + " " * (MAX_CHARS - 3)).startswith('<p dir="auto"><em>a</em>')


def test_megabyte_is_fast():
    text = "Lamps, *lamps* and <b>`lamps`</b>.\n" * 30_000
    start = time.perf_counter()
    html = render(text)
    assert time.perf_counter() - start < 5  # 10 ms; parsed it would be a minute
    assert html.count("Lamps") == 30_000


def test_fault_of_the_parser_shows_the_text(monkeypatch, caplog):
    def fail(self, *args, **kwargs):
        raise RecursionError

    monkeypatch.setattr(markdown.MarkdownIt, "parse", fail)
    assert render("*a* <b>") == plainly("*a* &lt;b&gt;")
    assert caplog.messages == ["A text could not be rendered as Markdown"]
