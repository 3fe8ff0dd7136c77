"""Who sends no valid token is told so as it understands it."""

import json

import pytest
from django.http import HttpResponse
from django.middleware.csrf import _get_new_csrf_string, _mask_cipher_secret
from django.test import RequestFactory

from retinue.http.csrf import check_token

SENTENCE = "The CSRF token is missing or out of date: send that of a page of this site, as X-CSRFTOKEN or in the form."


def request(form_token="", header_token="", cookie="", method="post"):
    headers = {"x-csrftoken": header_token} if header_token else {}
    made = getattr(RequestFactory(), method)("/", {"csrfmiddlewaretoken": form_token}, headers=headers)
    if cookie:
        made.COOKIES["csrftoken"] = cookie
    return made


@pytest.fixture
def secret():
    return _get_new_csrf_string()


def test_valid_token(secret):
    masked = _mask_cipher_secret(secret)
    assert check_token(request(masked, cookie=secret), as_json=True) is None
    assert check_token(request(header_token=masked, cookie=secret), as_json=False) is None


def test_reading_needs_none():
    assert check_token(request(method="get"), as_json=True) is None


def test_client_of_json_is_told_in_json(secret):
    for made in (request(secret), request(cookie=secret), request(_get_new_csrf_string(), cookie=secret)):
        response = check_token(made, as_json=True, key="error")
        assert (response.status_code, response["Content-Type"]) == (403, "application/json")
        assert json.loads(response.content) == {"error": SENTENCE, "code": "csrf_failed"}


def test_other_site_is_refused(secret):
    made = request(secret, cookie=secret)
    made.META["HTTP_ORIGIN"] = "https://elsewhere.example"
    assert check_token(made, as_json=True).status_code == 403


def test_page_of_the_site(settings):
    settings.CSRF_FAILURE_VIEW = "tests.http.test_csrf.failure"
    assert check_token(request(), as_json=False).content == b"CSRF cookie not set."


def failure(request, reason=""):
    return HttpResponse(reason, status=403)
