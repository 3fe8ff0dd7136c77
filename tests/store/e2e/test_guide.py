"""The chats on the shop's pages: the guide for everyone, the catalogue's helper for staff."""

from __future__ import annotations

from retinue.executions.models import AgentExecution
from retinue.sessions.models import AISession
from tests.e2e.browsing import expect
from tests.store.e2e.conftest import PASSWORD


def test_guest_asks_the_guide(visit, product_factory):
    product = product_factory(name="Brass lamp", stock=7)
    guest = visit()
    guest.open(product.get_absolute_url())
    guest["chat-toggle"].click()
    guest.ask("Is the brass lamp in stock?")
    expect(guest.turn()).to_have_attribute("data-status", "completed")
    expect(guest.turn()["answer"]).to_contain_text("Brass lamp")
    # Nobody else sees it.
    other = visit()
    other.open(product.get_absolute_url())
    expect(other["turn"]).to_have_count(0)


def test_staff_asks_the_catalogue_helper(visit, staff, grant, product_factory):
    grant(staff, "products.view_product")
    product = product_factory(name="Brass lamp", stock=2)
    visitor = visit(staff)
    visitor.open(product.get_absolute_url())
    visitor["chat-toggle"].click()
    expect(visitor["chat"]).to_have_attribute("data-agent", "catalogue_helper")
    visitor.ask("Which products are low in stock?")
    expect(visitor.turn()).to_have_attribute("data-status", "completed")
    expect(visitor.turn()["answer-text"]).to_contain_text("Brass lamp")


def test_visitor_begins_another_conversation(visit, product_factory):
    guest = visit()
    guest.open(product_factory(name="Brass lamp").get_absolute_url())
    guest["chat-toggle"].click()
    expect(guest["begin"]).to_be_hidden()
    guest.ask("Is the brass lamp in stock?")
    expect(guest.turn()).to_have_attribute("data-status", "completed")
    guest["composer-input"].fill("What does it cost?")
    guest["begin"].click()
    expect(guest["turn"]).to_have_count(0)
    expect(guest["example"].first).to_be_visible()
    expect(guest["begin"]).to_be_hidden()
    expect(guest["composer-input"]).to_be_focused()
    guest["send"].click()
    expect(guest.turn()).to_have_attribute("data-status", "completed")
    first, second = AISession.objects.order_by("created_at")
    assert (first.executions.count(), second.executions.count()) == (1, 1)
    guest.page.reload()
    expect(guest["prompt"]).to_have_text(["What does it cost?"])
    expect(guest["composer-input"]).to_have_value("")


def test_chat_that_was_open_is_open_on_the_next_page(visit, product_factory):
    product = product_factory(name="Brass lamp")
    guest = visit()
    guest.open("/")
    guest["chat-toggle"].click()
    guest["composer-input"].fill("Is it")
    guest.page.get_by_role("link", name="Products", exact=True).click()
    expect(guest["composer-input"]).to_be_visible()
    expect(guest["composer-input"]).to_have_value("Is it")
    assert guest.page.evaluate("document.activeElement === document.body")
    guest["chat-toggle"].click()
    guest.open(product.get_absolute_url())
    expect(guest["chat-toggle"]).to_be_visible()
    expect(guest.page.locator(".rt-live")).to_have_count(1)
    expect(guest["composer-input"]).to_be_hidden()


def test_draft_is_forgotten_at_the_shops_logout(visit, person):
    visitor = visit(person)
    visitor.open("/")
    visitor["chat-toggle"].click()
    visitor["composer-input"].fill("Mine")
    visitor["account-menu"].click()
    visitor["logout"].click()
    expect(visitor["composer-input"]).to_have_value("")
    visitor.become(person)
    visitor.open("/")
    expect(visitor.page.locator(".rt-live")).to_have_count(1)
    expect(visitor["composer-input"]).to_have_value("")


def test_guest_who_has_logged_in_since_is_told_to_load_the_page_again(site, visit, person, product_factory):
    guest = visit()
    guest.open(product_factory(name="Brass lamp").get_absolute_url())
    guest["chat-toggle"].click()
    tab = guest.context.new_page()
    tab.goto("/accounts/login/")
    tab.locator("[name=username]").fill(person.email)
    tab.locator("[name=password]").fill(PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab.locator("[name=username]")).to_have_count(0)
    guest.ask("Is the brass lamp in stock?")
    expect(guest.turn()["turn-error"]).to_contain_text("This page is out of date. Load it again.")
    assert not AgentExecution.objects.exists()
    guest.forgive("403")
    site.forgive()
