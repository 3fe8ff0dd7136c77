"""Where a message is written, and what the page does once it is sent."""

from __future__ import annotations

import pytest

from tests.e2e.browsing import expect

LONG = "\n\n".join(f"{number}. This is said at some length, so that it takes its place." for number in range(1, 41))


@pytest.fixture
def ada(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    return visitor


def test_option_that_cannot_be_is_shown_where_it_is(ada):
    page = ada.page
    options = page.locator("details.rt-options")
    options.locator("summary").click()
    page.locator("[name=context_allocation]").fill("55")
    options.locator("summary").click()
    ada.ask("Go")
    expect(options).to_have_attribute("open", "")
    expect(page.locator("[name=context_allocation]")).to_be_focused()
    page.locator("[name=context_allocation]").fill("60")
    ada["send"].click()
    ada.sees("completed", "You said: Go")


def test_next_message_can_be_written_at_once(ada):
    ada.ask("One")
    expect(ada["composer-input"]).to_be_focused()
    ada.sees("completed", "You said: One")
    expect(ada["composer-input"]).to_be_focused()


def test_reader_is_taken_along_to_the_end_of_each_answer(site, ada):
    for number, question in enumerate(["One", "Two", "Three"], 1):
        site.script.says(question, [LONG])
        ada.ask(question)
        expect(ada["turn"]).to_have_count(number)
        expect(ada.turn()).to_have_attribute("data-status", "completed")
        expect(ada.turn()["regenerate"]).to_be_in_viewport()


def test_reader_who_scrolls_up_stays_there(site, ada):
    site.script.says("One", [LONG])
    ada.ask("One")
    expect(ada.turn()).to_have_attribute("data-status", "completed")
    ada.turn()["prompt"].hover()
    ada.page.mouse.wheel(0, -5000)
    expect(ada["prompt"].first).to_be_in_viewport()
    expect(ada.page.locator("[data-rt-jump]")).to_be_visible()
    ada.page.locator("[data-rt-jump]").click()
    expect(ada.turn()["regenerate"]).to_be_in_viewport()
