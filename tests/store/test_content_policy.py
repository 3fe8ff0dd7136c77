"""The Content-Security-Policy: on every kind of page, and nothing on the pages that it forbids."""

import re

import pytest

from tests.store.factories import ProductFactory, ReviewFactory

pytestmark = pytest.mark.django_db
POLICY = {
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}
PAGES = [
    "/",
    "/products/",
    "/products/?q=nothing",
    "/products/category/lamps/",
    "/products/heron/",
    "/products/unknown/",
    "/accounts/login/",
    "/accounts/password_change/",
    "/accounts/password_change/done/",
    "/ai/",
    "/ai/history/",
    "/ai/sessions/",
    "/ai/quota/",
    "/ai/health/",
    "/favicon.ico",
    "/admin/",
    "/admin/login/",
    "/admin/products/product/",
    "/admin/products/product/add/",
    "/admin/retinue/agentexecution/",
]


@pytest.fixture
def shop(db):
    product = ProductFactory(slug="heron", category__slug="lamps")
    ReviewFactory(product=product)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_policy(shop, client, admin_client, path):
    for browser in (client, admin_client):
        response = browser.get(path)
        assert response.status_code < 500
        assert set(response["Content-Security-Policy"].split("; ")) == POLICY


@pytest.mark.parametrize("path", [path for path in PAGES if not path.startswith("/admin/")])
def test_no_page_has_anything_inline_or_from_elsewhere(shop, client, admin_client, path):
    for browser in (client, admin_client):
        page = browser.get(path).text
        assert not re.search(r"<style| style=| on\w+=|https?://", page)
        for script in re.findall(r"<script[^>]*>", page):
            assert 'src="/static/' in script or 'type="application/json"' in script
