"""The addresses of the assistant site.

Its views are imported with the first request: Django reads addresses for `check` and `migrate`, too, which must not
pay for pydantic-ai.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from retinue.http.transactions import detached

app_name = "ai_assistant"


def page(name: str) -> Any:
    """The view of that name in `assistant.views`."""

    @csrf_exempt  # the views check it: see views.base.view
    def call(request: HttpRequest, **place: Any) -> HttpResponseBase:
        view = import_string(f"retinue.assistant.views.{name}")
        return view(request, **place)  # type: ignore[no-any-return]

    return call


def waiting(name: str) -> Any:
    """See page(); for a view that waits without holding a thread."""
    return csrf_exempt(deferred(f"retinue.assistant.views.{name}"))


def deferred(place_of_view: str) -> Any:
    """An async view, by its dotted path."""

    async def call(request: HttpRequest, **place: Any) -> HttpResponseBase:
        return await import_string(place_of_view)(request, **place)  # type: ignore[no-any-return]

    return detached(call)


session, execution = "session/<uuid:session_id>", "executions/<uuid:execution_id>"

urlpatterns = [
    path("", page("pages.dashboard"), name="dashboard"),
    path("history/", page("pages.history"), name="history"),
    path("quota/", page("quota.quota"), name="quota"),
    path("health/", waiting("health.health"), name="health"),
    path("ask/", waiting("asking.ask"), name="ask"),
    path("query/async/", waiting("queries.query_async"), name="query_async"),
    path("query/sync/", waiting("queries.query_sync"), name="query_sync"),
    path("sessions/", page("pages.session_list"), name="session_list"),
    path("session/create/", page("conversations.create_session"), name="create_session"),
    path(f"{session}/", page("pages.session_detail"), name="session_detail"),
    path(f"{session}/rename/", page("conversations.rename_session"), name="rename_session"),
    path(f"{session}/delete/", page("conversations.delete_session"), name="delete_session"),
    path(f"{session}/export/<str:kind>/", page("conversations.export_session"), name="export_session"),
    path(f"{execution}/", page("answers.execution_detail"), name="execution_detail"),
    path(f"{execution}/events/", deferred("retinue.http.events.execution_events"), name="execution_events"),
    path(f"{execution}/stop/", page("answers.stop"), name="stop"),
    path(f"{execution}/regenerate/", waiting("asking.regenerate"), name="regenerate"),
    path(f"{execution}/edit/", waiting("asking.edit"), name="edit"),
    path(f"{execution}/rate/", page("answers.rate"), name="rate"),
    path("approvals/<uuid:approval_id>/decide/", page("approvals.decide"), name="decide"),
]
