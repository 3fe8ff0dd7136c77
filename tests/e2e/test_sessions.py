"""Conversations: their names, finding and deleting them, and taking them away as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retinue.sessions.models import AISession
from tests.e2e.browsing import expect
from tests.e2e.visitor import DESKTOP, PHONE


@pytest.fixture
def ada(visit, person):
    """Someone with two conversations, in the later of them."""
    visitor = visit(person)
    for prompt in ("Which lamps are there?", "How tall is the shelf?"):
        visitor.open("/ai/")
        visitor.ask(prompt)
        visitor.sees("completed", f"You said: {prompt}")
        expect(visitor["sidebar"]["session-link"].first).to_contain_text(prompt)
    return visitor


def menu_of_session(visitor):
    visitor["session-menu"].first.click()


def test_new_conversation_is_listed_at_once_under_its_first_question(ada):
    expect(ada["sidebar"]["session-link"]).to_contain_text(["How tall is the shelf?", "Which lamps are there?"])
    expect(ada["sidebar"]["session-link"].first).to_have_attribute("aria-current", "page")
    ada["sidebar"]["session-link"].nth(1).click()
    ada.sees("completed", "You said: Which lamps are there?")


def test_search_finds_conversations_by_their_words(ada):
    ada["session-search"].first.fill("lamps")
    ada["session-search"].first.press("Enter")
    found = ada.page.locator("main").get_by_role("link", name="lamps")
    expect(found).to_have_count(1)
    found.click()
    ada.sees("completed", "You said: Which lamps are there?")


def test_conversation_is_renamed(ada):
    menu_of_session(ada)
    ada["rename"].first.click()
    ada["rename-title"].first.fill("Shelves")
    ada["rename-title"].first.press("Enter")
    expect(ada["sidebar"]["session-link"].first).to_contain_text("Shelves")
    assert AISession.objects.filter(title="Shelves").count() == 1


def test_conversation_is_deleted_once_that_is_confirmed(ada):
    shelf = AISession.objects.get(title__contains="shelf")
    ada.open(f"/ai/session/{shelf.pk}/delete/")
    ada["confirm-delete"].click()
    expect(ada["sidebar"]["session-link"]).to_contain_text(["Which lamps are there?"])
    assert not AISession.objects.filter(pk=shelf.pk).exists()


def test_conversation_is_exported(ada):
    menu_of_session(ada)
    with ada.page.expect_download() as download:
        ada["export-markdown"].first.click()
    text = Path(download.value.path()).read_text()
    assert "How tall is the shelf?" in text and "You said: How tall is the shelf?" in text
    menu_of_session(ada)
    with ada.page.expect_download() as download:
        ada["export-json"].first.click()
    assert download.value.suggested_filename.endswith(".json")
    assert json.loads(Path(download.value.path()).read_text())


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_theme_is_kept(visit, person, size):
    visitor = visit(person, size=size)
    visitor.open("/ai/")
    root = visitor.page.locator("html")
    before = root.get_attribute("data-bs-theme")
    visitor["theme"].click()
    after = root.get_attribute("data-bs-theme")
    assert {before, after} == {"light", "dark"}
    visitor.page.reload()
    expect(root).to_have_attribute("data-bs-theme", after)


def test_side_bar_opens_and_closes_on_a_phone(visit, person):
    visitor = visit(person, size=PHONE)
    visitor.open("/ai/")
    expect(visitor["sidebar"]).not_to_be_in_viewport()
    visitor["menu"].click()
    expect(visitor["sidebar"]).to_be_in_viewport()
    visitor.page.keyboard.press("Escape")
    expect(visitor["sidebar"]).not_to_be_in_viewport()
