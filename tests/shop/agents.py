"""Agents of the test project. Their models are put in by the tests."""

from retinue import AUTHENTICATED, DjangoAgent

clerk = DjangoAgent("clerk", permission=AUTHENTICATED)
warden = DjangoAgent("warden", permission="shop.view_product")
