"""The methods that an address takes, and what it answers to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

from retinue.http.errors import refusal


def takes(*methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For async views that answer JSON where something is wrong."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        async def outer(request: HttpRequest, **place: Any) -> HttpResponseBase:
            if request.method not in methods:
                return not_allowed(methods)
            return await view(request, **place)  # type: ignore[no-any-return]

        return outer

    return decorate


def not_allowed(methods: Sequence[str], key: str = "detail") -> JsonResponse:
    """A 405 in JSON."""
    allowed = ", ".join(methods)
    response = refusal(405, "method_not_allowed", _("This address takes %(methods)s.") % {"methods": allowed}, key)
    response["Allow"] = allowed
    return response
