"""The chats on the shop's pages: the guide for everyone, the catalogue's helper for staff."""

from __future__ import annotations

from tests.e2e.browsing import expect


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
