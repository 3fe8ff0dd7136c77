"""A table that is wider than a phone scrolls by itself, and one sees that it does."""

from __future__ import annotations

import pytest

from tests.e2e.browsing import expect
from tests.e2e.looks import too_wide
from tests.e2e.script import Gate
from tests.e2e.visitor import PHONE
from tests.waiting import until

COLUMNS = 9
ROW = "|" + " lamp |" * COLUMNS
TABLE = f"{ROW}\n|{'-|' * COLUMNS}\n{ROW}\n{ROW}\n\n"
SHADES = "region => getComputedStyle(region).backgroundAttachment"


@pytest.fixture
def ada(visit, person):
    visitor = visit(person, size=PHONE)
    visitor.open("/ai/")
    return visitor


def test_wide_table_shows_that_it_scrolls_and_does(site, ada):
    site.script.says("Go", [TABLE, "So it is.", Gate("end"), " The end."])
    ada.ask("Go")
    expect(ada["answer-text"]).to_contain_text("So it is.")
    assert_scrolls(ada)
    site.script.open("end")
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    expect(ada["answer-text"]).to_contain_text("The end.")
    assert_scrolls(ada)


def assert_scrolls(visitor):
    region = visitor["answer-text"].get_by_role("region", name="Table")
    expect(region.get_by_role("row")).to_have_count(3)
    assert too_wide(visitor.page) == []
    assert region.evaluate(SHADES) == "local, local, scroll, scroll, scroll"
    region.focus()
    visitor.page.keyboard.press("ArrowRight")
    until(lambda: region.evaluate("region => region.scrollLeft > 0"))
