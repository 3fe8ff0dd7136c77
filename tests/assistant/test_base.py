"""What the views share."""

import pytest
from django.db import connection
from django.test import RequestFactory
from django.urls import reverse
from django.utils.http import urlencode

from retinue.assistant.views.base import wants_json, way_back
from tests.assistant.conftest import Browser

FORM = "application/x-www-form-urlencoded"


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
    ("content_type", "as_json"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/x-www-form-urlencoded", False),
        ("text/plain", False),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_json_is_for_those_who_send_it(content_type, as_json, accept):
    request = RequestFactory().post("/", "{}", content_type=content_type, headers={"accept": accept})
    assert wants_json(request) is as_json


@pytest.mark.parametrize(("name", "key"), [("ask", "detail"), ("create_session", "error")])
def test_other_methods_are_refused_in_json_to_those_who_want_it(browser, name, key):
    said = {key: "This address takes POST.", "code": "method_not_allowed"}
    refused = browser.get(name, json=True)
    assert (refused.status_code, refused["Allow"], refused.json()) == (405, "POST", said)
    refused = browser.get(name)
    assert (refused.status_code, refused["Allow"], refused.content) == (405, "POST", b"")


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


@pytest.mark.parametrize("limits", [{"DATA_UPLOAD_MAX_MEMORY_SIZE": 100}, {"DATA_UPLOAD_MAX_NUMBER_FIELDS": 1}])
@pytest.mark.parametrize("checks_tokens", [True, False])  # the token is looked for in the form
@pytest.mark.parametrize(("name", "key"), [("query_sync", "error"), ("rename_session", "detail")])
def test_form_that_is_too_large(ada, talk, settings, name, key, limits, checks_tokens):
    place = [talk(ada, "Hello").pk] if name == "rename_session" else []
    browser = Browser(ada, enforce_csrf_checks=checks_tokens)
    browser.client.cookies["csrftoken"] = "x" * 32
    for limit, value in limits.items():
        setattr(settings, limit, value)
    address, form = reverse(f"ai_assistant:{name}", args=place), {"prompt": "x" * 100, "title": "x"}
    response = browser.client.post(address, urlencode(form), content_type=FORM, headers={"accept": "application/json"})
    said = {key: "The body is too large.", "code": "invalid_input"}
    assert (response.status_code, response.json()) == (400, said)


def test_form_of_a_page_that_is_too_large(browser, talk, ada, settings):
    """There is no form any more that could name its page."""
    session = talk(ada, "Hello")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    address = reverse("ai_assistant:rename_session", args=[session.pk])
    response = browser.client.post(address, f"title={'x' * 100}", content_type=FORM, headers={"accept": "text/html"})
    assert (response.status_code, response["Content-Type"]) == (400, "text/html; charset=utf-8")


def test_site_with_atomic_requests(browser, assistant, monkeypatch):
    """Django refuses async views there that do not say that they want no transaction."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert browser.send("query_sync", prompt="Hello").json()["answer"] == "You said: Hello"
    assert browser.send("ask", prompt="Hello").status_code == 202
    assert browser.get("health").status_code == 200
