"""What visitors see of an address that is not there, with DEBUG on, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import Http404, HttpRequest, HttpResponse
from django.views.defaults import page_not_found


class NotFoundPage:
    """Shows the shop's own page where DEBUG would list the site's addresses. An exception still shows its traceback."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self.__acall__(request)
        response = self.get_response(request)
        return _page(request) if _is_nowhere(request, response) else response

    async def __acall__(self, request: HttpRequest) -> HttpResponse:
        response = await self.get_response(request)
        return await sync_to_async(_page)(request) if _is_nowhere(request, response) else response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return _page(request) if isinstance(exception, Http404) else None


def _is_nowhere(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether no view has the address. A 404 that a view answers with is left alone."""
    return response.status_code == 404 and request.resolver_match is None


def _page(request: HttpRequest) -> HttpResponse:
    return page_not_found(request, Http404())
