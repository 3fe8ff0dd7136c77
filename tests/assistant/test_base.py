"""What the views share."""

import pytest
from django.db import connection
from django.test import RequestFactory

from retinue.assistant.views.base import wants_json, way_back
from tests.assistant.conftest import Browser


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


@pytest.mark.parametrize(("method", "name"), [("get", "dashboard"), ("get", "quota"), ("post", "create_session")])
@pytest.mark.parametrize("is_known", [True, False])
def test_nothing_personal_stays_in_a_cache(browser, is_known, method, name):
    """Neither an answer, nor that one has to log in for it."""
    response = getattr(browser if is_known else Browser(), method)(name)
    assert response["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    assert {"Accept", "Cookie"} <= set(response["Vary"].split(", "))


def test_body_that_is_too_large(browser, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = browser.send("create_session", context={"text": "x" * 100})
    assert (response.status_code, response.json()) == (
        400,
        {"error": "The body is too large.", "code": "invalid_input"},
    )


def test_site_with_atomic_requests(browser, assistant, monkeypatch):
    """Django refuses async views there that do not say that they want no transaction."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert browser.send("query_sync", prompt="Hello").json()["answer"] == "You said: Hello"
    assert browser.send("ask", prompt="Hello").status_code == 202
    assert browser.get("health").status_code == 200
