"""What is typed and not sent yet: it is kept for the one who typed it, and for nobody else."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from tests.e2e.browsing import expect
from tests.waiting import until

KEPT = "Object.keys(sessionStorage).filter((name) => name.startsWith('retinue-draft:')).length"


@pytest.fixture
def ada(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    return visitor


def has(visitor, text):
    expect(visitor["composer-input"]).to_have_value(text)


def test_draft_outlives_a_reload_and_other_pages_until_it_is_sent(ada):
    ada["composer-input"].fill("Which\nlamps?")
    ada.page.reload()
    has(ada, "Which\nlamps?")
    expect(ada["composer-input"]).not_to_be_focused()
    ada.open("/ai/history/")
    ada.open("/ai/")
    has(ada, "Which\nlamps?")
    ada["send"].click()
    ada.sees("completed", "You said: Which\nlamps?")
    ada.page.reload()
    has(ada, "")
    ada.open("/ai/")
    has(ada, "")


def test_each_conversation_has_a_draft_of_its_own(ada):
    ada.ask("One")
    ada.sees("completed", "You said: One")
    conversation = ada.page.url
    ada["composer-input"].fill("And two?")
    ada.open("/ai/")
    has(ada, "")
    ada["composer-input"].fill("Something else")
    ada.open(conversation)
    has(ada, "And two?")


def test_what_is_typed_while_a_conversation_begins_belongs_to_it(ada):
    release = ada.hold("**/ai/ask/")
    ada.ask("One")
    ada["composer-input"].fill("And two?")
    release()
    ada.sees("completed", "You said: One")
    ada.page.reload()
    has(ada, "And two?")
    ada.open("/ai/")
    has(ada, "")


def test_message_that_was_not_delivered_is_a_draft_again(ada):
    ada.context.set_offline(True)
    ada.ask("One")
    expect(ada.turn()["turn-error"]).to_be_visible()
    ada.context.set_offline(False)
    ada.page.reload()
    has(ada, "One")
    ada.forgive("ERR_INTERNET_DISCONNECTED")


def test_message_that_was_delivered_later_is_none(ada):
    ada.context.set_offline(True)
    ada.ask("One")
    ada.context.set_offline(False)
    ada.turn()["try-again"].click()
    ada.sees("completed", "You said: One")
    ada.page.reload()
    has(ada, "")
    ada.forgive("ERR_INTERNET_DISCONNECTED")


def test_nobody_finds_the_draft_of_somebody_else(ada, person):
    ada["composer-input"].fill("Ada's")
    ada.become(get_user_model().objects.create_user("bob"))
    ada.page.reload()
    has(ada, "")
    assert ada.page.evaluate(KEPT) == 0
    ada["composer-input"].fill("Bob's")
    ada.become(person)
    ada.page.reload()
    has(ada, "")


def test_draft_is_forgotten_at_the_logout(site, ada, person):
    ada["composer-input"].fill("Ada's")
    ada["logout"].click()
    expect(ada["composer-input"]).to_have_count(0)
    until(site.log)  # the page after it names no icon, and the browser looks for one
    site.forgive()
    ada.become(person)
    ada.open("/ai/")
    has(ada, "")
    ada.forgive("favicon.ico")
