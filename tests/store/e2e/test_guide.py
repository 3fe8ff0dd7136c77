"""Guests talk to the shop's guide on the shop's pages."""

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
