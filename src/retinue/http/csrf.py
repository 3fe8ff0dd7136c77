"""Django's check of tokens, for views that answer a failure as their client understands it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _

from retinue.http.errors import refusal


def check_token(request: HttpRequest, as_json: bool, key: str = "detail") -> HttpResponse | None:
    """What is answered to a request without a valid token: JSON, or the site's page; None where all is well.

    For views that are `csrf_exempt`, so that the middleware leaves the answer to them.
    """
    check = _Check(as_json, key)
    check.process_request(request)
    return check.process_view(request, _nothing, (), {})


def _nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class _Check(CsrfViewMiddleware):
    def __init__(self, as_json: bool, key: str) -> None:
        super().__init__(_nothing)
        self._as_json = as_json
        self._key = key

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        page = super()._reject(request, reason)  # type: ignore[misc] # which logs it
        if not self._as_json:
            return page
        header = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-")
        sentence = _(
            "The CSRF token is missing or out of date: send that of a page of this site, as %(header)s or in the form."
        )
        return refusal(403, "csrf_failed", sentence % {"header": header}, self._key)
