"""Every page of the store, wide and narrow: nothing sticks out, nothing is refused, everybody can use it."""

from __future__ import annotations

import pytest

from tests.e2e.looks import faults, too_wide
from tests.e2e.visitor import DESKTOP, PHONE


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_fit_and_are_accessible(visit, person, product_factory, size, dark):
    product = product_factory(name="Brass lamp")
    guest = visit(size=size, dark=dark)
    for path in ("/", "/products/", product.get_absolute_url(), "/accounts/login/"):
        page = guest.open(path)
        assert (path, too_wide(page), faults(page)) == (path, [], [])
    guest.open(product.get_absolute_url())
    guest["chat-toggle"].click()
    assert (too_wide(guest.page), faults(guest.page)) == ([], [])
    customer = visit(person, size=size, dark=dark)
    for path in (
        "/",
        product.get_absolute_url(),
        "/accounts/password_change/",
        "/accounts/password_change/done/",
        "/ai/",
        "/ai/history/",
    ):
        page = customer.open(path)
        assert (path, too_wide(page), faults(page)) == (path, [], [])
