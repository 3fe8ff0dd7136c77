"""What the views share."""

import pytest
from django.db import connection
from django.test import RequestFactory

from retinue.assistant.views.base import wants_json, way_back


@pytest.mark.parametrize(
    ("accept", "as_json"),
    [
        ("application/json", True),
        ("application/json, text/html;q=0.5", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("*/*", False),
        ("image/png", False),
    ],
)
def test_json_is_for_those_who_prefer_it(accept, as_json):
    assert wants_json(RequestFactory().get("/", headers={"accept": accept})) is as_json


@pytest.mark.parametrize(
    ("sent", "fallback", "referer", "back"),
    [
        ("/shop/", "/mine/", "http://testserver/there/", "/shop/"),
        ("http://testserver/shop/", "/mine/", "", "http://testserver/shop/"),
        ("https://evil.example/", "/mine/", "", "/mine/"),
        ("//evil.example/", "/mine/", "", "/mine/"),
        ("javascript:alert(1)", "/mine/", "", "/mine/"),
        ("", "", "http://testserver/there/", "http://testserver/there/"),
        ("", "", "https://evil.example/", "/ai/"),
        ("", "", "", "/ai/"),
    ],
)
def test_way_back_stays_on_the_site(sent, fallback, referer, back):
    request = RequestFactory().post("/", {"next": sent}, headers={"referer": referer})
    assert way_back(request, fallback) == back


def test_site_with_atomic_requests(browser, assistant, monkeypatch):
    """Django refuses async views there that do not say that they want no transaction."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert browser.send("query_sync", prompt="Hello").json()["answer"] == "You said: Hello"
    assert browser.send("ask", prompt="Hello").status_code == 202
    assert browser.get("health").status_code == 200
