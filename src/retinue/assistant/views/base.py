"""What the views share: who asks, what was sent, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from retinue.errors import InvalidInput, RetinueError
from retinue.http import strict_json
from retinue.http.csrf import check_token
from retinue.http.errors import TOO_LARGE, error_response, refusal, sentence_of, status_of
from retinue.http.methods import not_allowed
from retinue.http.principal import request_principal
from retinue.http.transactions import detached
from retinue.types import Principal

JSON = "application/json"
REFUSED = (RetinueError, PermissionDenied, Http404, *TOO_LARGE)


def view(
    *methods: str, guests: bool = False, strangers: bool = False, only_json: bool = False, key: str = "detail"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a view of a function of a request and a principal, sync or async.

    The view checks the CSRF token itself: who wants JSON gets JSON for a wrong one, too.
    People who are not logged in are sent to do so, unless they are `guests` with a key, or `strangers` may come (the
    principal is None then). An error is answered as JSON, under `key`, or said on the page where the form was.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if iscoroutinefunction(function):

            @wraps(function)
            async def outer(request: HttpRequest, **place: Any) -> HttpResponseBase:
                try:
                    principal = await sync_to_async(admit)(request)
                    return personal(await function(request, principal, **place))
                except Answered as refused:
                    return personal(refused.response)
                except REFUSED as error:
                    return personal(await sync_to_async(refuse)(request, error, is_json(request), key))

        else:

            @wraps(function)
            def outer(request: HttpRequest, **place: Any) -> HttpResponseBase:
                try:
                    return personal(function(request, admit(request), **place))
                except Answered as refused:
                    return personal(refused.response)
                except REFUSED as error:
                    return personal(refuse(request, error, is_json(request), key))

        def is_json(request: HttpRequest) -> bool:
            return only_json or wants_json(request)

        def admit(request: HttpRequest) -> Principal | None:
            if request.method not in methods:
                raise Answered(not_allowed(methods, key) if is_json(request) else HttpResponseNotAllowed(methods))
            principal = request_principal(request)
            if principal is None and not strangers:
                raise Answered(log_in(request, is_json(request), key))
            if principal is not None and not principal.is_user and not (guests or strangers):
                raise Answered(log_in(request, is_json(request), key))
            if (forgery := check_token(request, is_json(request), key)) is not None:
                raise Answered(forgery)
            return principal

        return detached(outer) if iscoroutinefunction(function) else outer

    return decorate


class Answered(Exception):
    """There is an answer already."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.response = response


def personal(response: HttpResponseBase) -> HttpResponseBase:
    """Keep an answer out of caches: it is for one person, and for one kind of client."""
    add_never_cache_headers(response)
    patch_vary_headers(response, ["Accept"])
    return response


def log_in(request: HttpRequest, as_json: bool, key: str = "detail") -> HttpResponseBase:
    """Have somebody log in: a page is shown again after that, a form is not sent again."""
    if as_json:
        return refusal(401, "not_authenticated", _("You are not logged in."), key)
    is_page = request.method in ("GET", "HEAD")
    return redirect_to_login(request.get_full_path() if is_page else way_back(request))


def refuse(request: HttpRequest, error: Exception, as_json: bool, key: str) -> HttpResponseBase:
    """Tell what cannot be done, as who asked understands it."""
    if as_json:
        return error_response(error, key)
    if isinstance(error, TOO_LARGE):
        raise error  # there is no form that could name a way back
    match status_of(error):
        case 403:
            raise PermissionDenied(sentence_of(error)) from error
        case 404:
            raise Http404(sentence_of(error)) from error
    messages.error(request, sentence_of(error), fail_silently=True)
    return redirect(way_back(request))


def wants_json(request: HttpRequest) -> bool:
    """Whether the client talks JSON: it sends some, or would rather have that than a page."""
    return request.content_type == JSON or request.get_preferred_type(["text/html", JSON]) == JSON


def given(request: HttpRequest) -> Any:
    """What was sent, as a form's data: a JSON object or a form. Raises InvalidInput."""
    if request.content_type != JSON:
        return request.POST
    try:
        data = strict_json.loads(request.body)
    except ValueError:
        raise InvalidInput(_("The body is not JSON.")) from None
    if not isinstance(data, dict):
        raise InvalidInput(_("The body is not a JSON object."))
    return data


def done(request: HttpRequest, fallback: str, data: dict[str, Any]) -> HttpResponse:
    """What was done, as JSON; or the page again, where a form was sent."""
    if wants_json(request):
        return JsonResponse(data)
    return redirect(way_back(request, fallback))


def way_back(request: HttpRequest, fallback: str = "") -> str:
    """Where a form goes back to: the page that it names as `next`, the given one, or the one that it came from."""
    for url in (request.POST.get("next"), fallback, request.headers.get("Referer")):
        if url and url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure()):
            return url
    return reverse("ai_assistant:dashboard")
