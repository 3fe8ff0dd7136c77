"""The chats on the shop's pages: the guide for everyone, the catalogue's helper for staff."""

from __future__ import annotations

from retinue.executions.models import AgentExecution
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
