"""Whatever a model says: nothing of it runs, and it can be read."""

from __future__ import annotations

import pytest

from tests.e2e.browsing import expect
from tests.e2e.script import Gate

RTL, LRI = "\u202e", "\u2066"
SCRIPTS = """
Before <script>window.ran = "script"</script> after.

<img src="/missing.png" onerror="window.ran = 'onerror'"> <svg onload="window.ran = 'svg'"></svg>
<iframe src="javascript:window.parent.ran = 'iframe'"></iframe>
<a href="javascript:window.ran = 'html link'">html link</a>
<style>body { display: none }</style> <form action="https://example.com"><input name="x"></form>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.ran='math'&gt;">

[markdown link](javascript:window.ran='link') [data](data:text/html,<script>window.ran='data'</script>)
[entities](&#106;avascript:window.ran='entities') <javascript:window.ran='auto'> ![image](javascript:window.ran='image')
[a good one](https://example.com/lamps)

```html"><script>window.ran = "language"</script>
<script>window.ran = "code"</script>
```

The end.
"""
BROKEN = (
    "**bold *both\n\n| a | b\n|--\n| `c | d |\n\n> - 1. [link](<\n\n![](\n\n[x]: \n\n"
    "\\<\\> &amp; &lt;b&gt; &#0; \u0001\n\nThe end."
)
BIDI = f"Pay {RTL}001{LRI} now.\n\nThe end."


@pytest.fixture
def ada(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    return visitor


def in_pieces(text, size=7):
    return [text[start : start + size] for start in range(0, len(text), size)]


def assert_harmless(visitor):
    assert visitor.page.evaluate("window.ran") is None
    assert (
        visitor.page.locator("[data-testid=answer] :is(script, style, iframe, img, form, input, svg, math)").count()
        == 0
    )
    hrefs = visitor.page.locator("[data-testid=answer-text] a").evaluate_all("links => links.map((link) => link.href)")
    assert [href for href in hrefs if not href.startswith(("https:", "http:"))] == []
    handlers = "nodes => nodes.flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith('on'))"
    assert visitor.page.locator("[data-testid=answer] *").evaluate_all(handlers) == []


@pytest.mark.parametrize("text", [SCRIPTS, BROKEN, BIDI], ids=["scripts", "broken Markdown", "bidirectional overrides"])
def test_output_is_harmless_while_it_streams_when_it_is_done_and_when_it_is_read_again(site, ada, text):
    head, tail = text[: len(text) // 2], text[len(text) // 2 :]
    site.script.says("Go", [*in_pieces(head), Gate("tail"), *in_pieces(tail)])
    ada.ask("Go")
    expect(ada["answer-text"]).to_contain_text(head.split()[0].strip("*"))
    assert_harmless(ada)
    site.script.open("tail")
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(ada["answer-text"]).to_contain_text("The end.")
    assert_harmless(ada)
    ada.page.reload()
    expect(ada["answer-text"]).to_contain_text("The end.")
    assert_harmless(ada)


@pytest.fixture
def assert_twice(site, ada):
    """Asserts something of an answer while it streams, as the script draws it, and of what the server makes of it."""

    def say(text, assertion):
        site.script.says("Go", [text, " So it is.", Gate("end"), " The end."])
        ada.ask("Go")
        expect(ada["answer-text"]).to_contain_text("So it is.")
        expect(ada.turn()).to_have_attribute("data-status", "running")
        assertion()
        site.script.open("end")
        expect(ada.turn()).to_have_attribute("data-status", "completed")
        expect(ada["answer-text"]).to_contain_text("The end.")
        assertion()

    return say


def test_good_links_open_without_handing_the_page_over(ada, assert_twice):
    def is_good():
        link = ada.page.get_by_role("link", name="the lamps")
        expect(link).to_have_attribute("href", "https://example.com/lamps")
        assert "noopener" in link.get_attribute("rel")

    assert_twice("See [the lamps](https://example.com/lamps).", is_good)


def test_override_characters_turn_nothing_around(ada, assert_twice):
    def is_as_written():
        shown = ada["answer-text"].inner_text()
        assert shown.startswith("Pay 001 now.")

    assert_twice(f"Pay {RTL}001{LRI} now.", is_as_written)


def test_half_a_code_fence_is_code_already_and_what_follows_it_is_not(site, ada):
    site.script.says(
        "Go", ["Run this:\n\n```python\nprint(", Gate("more"), "1)\n", Gate("end"), "```\n\nThat *is* all."]
    )
    ada.ask("Go")
    code = ada["answer-text"].locator("pre code")
    expect(code).to_have_text("print(")
    site.script.open("more")
    expect(code).to_have_text("print(1)")
    site.script.open("end")
    expect(ada["answer-text"].locator("em")).to_have_text("is")
    expect(code).to_have_text("print(1)")
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(code).to_have_text("print(1)")


def test_answer_of_a_megabyte_leaves_the_page_usable(site, ada):
    paragraph = "Lamps, *lamps* and `lamps`, as far as the eye reaches. " * 18 + "\n\n"
    half = [paragraph] * (500_000 // len(paragraph) + 1)
    site.script.says("Go", [*half, "Half of it.", Gate("rest"), "\n\n", *half, "The end."])
    ada.ask("Go")
    expect(ada["answer-text"]).to_contain_text("Half of it.")
    ada["composer-input"].fill("Still here")
    ada["theme"].click()
    site.script.open("rest")
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(ada["answer-text"]).to_contain_text("The end.")
    expect(ada["composer-input"]).to_have_value("Still here")
    assert len(ada["answer-text"].inner_text()) > 900_000
