"""A message of a chat: its answer begins, and who has no script waits for it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from retinue.assistant.access import own_execution, own_session
from retinue.assistant.asking import ask_again, is_for_guests, send
from retinue.assistant.forms import AskForm, EditForm, checked
from retinue.assistant.turns import fragment_url
from retinue.assistant.views.answers import execution_page
from retinue.assistant.views.base import Answered, given, log_in, view, wants_json, way_back
from retinue.assistant.views.pages import dashboard_context, session_context
from retinue.conf import get_settings
from retinue.errors import RetinueError
from retinue.executions.events import Event
from retinue.executions.models import AgentExecution
from retinue.executions.states import EventKind, Status
from retinue.http.errors import sentence_of, status_of
from retinue.http.principal import guest_principal
from retinue.http.threads import give_back_thread
from retinue.runtime.events.watch import watch
from retinue.types import Principal

ANSWER_SECONDS = 60.0
"""How long a page without a script waits for its answer."""


@view("POST", strangers=True)
async def ask(request: HttpRequest, principal: Principal | None) -> HttpResponseBase:
    """Send a message. A guest who has no key yet gets one with it."""
    return await _started(request, await sync_to_async(_ask)(request, principal))


@view("POST", guests=True)
async def regenerate(request: HttpRequest, principal: Principal, execution_id: UUID) -> HttpResponseBase:
    """Have the last message answered anew."""
    return await _started(
        request, await sync_to_async(lambda: ask_again(principal, own_execution(execution_id, principal)))()
    )


@view("POST", guests=True)
async def edit(request: HttpRequest, principal: Principal, execution_id: UUID) -> HttpResponseBase:
    """Send the last message again, in other words."""

    def again() -> AgentExecution:
        execution = own_execution(execution_id, principal)
        return ask_again(principal, execution, checked(EditForm(given(request)))["prompt"])

    return await _started(request, await sync_to_async(again)())


def _ask(request: HttpRequest, principal: Principal | None) -> AgentExecution:
    form = AskForm(given(request))
    try:
        asked = checked(form)
        if principal is None or not principal.is_user:
            name = asked["agent"] or get_settings().assistant
            may_begin = asked["session_id"] is None and is_for_guests(name)
            if not may_begin and (principal is None or asked["session_id"] is None):
                raise Answered(log_in(request, wants_json(request)))
            principal = guest_principal(request)
        return send(principal, form)
    except RetinueError as error:
        if wants_json(request) or principal is None or not principal.is_user or "next" in request.POST:
            raise
        raise Answered(_page_again(request, principal, form, error)) from error


def _page_again(request: HttpRequest, principal: Principal, form: AskForm, error: RetinueError) -> HttpResponse:
    """The page with what was typed, and with what was wrong about it."""
    if form.is_valid():
        form.add_error(None, sentence_of(error))
    with suppress(RetinueError):
        if session_id := form.cleaned_data.get("session_id"):
            context = session_context(request, principal, own_session(session_id, principal), form)
            return render(request, "retinue_assistant/session_detail.html", context, status=status_of(error))
    context = dashboard_context(request, principal, form)
    return render(request, "retinue_assistant/dashboard.html", context, status=status_of(error))


async def _started(request: HttpRequest, execution: AgentExecution) -> HttpResponseBase:
    """Where to watch the run; for a plain form, the page that shows what came of it."""
    page = execution_page(execution)
    if wants_json(request):
        started = {
            "query_id": str(execution.pk),
            "session_id": execution.session_id,
            "status": execution.status,
            "events": reverse("ai_assistant:execution_events", args=[execution.pk]),
            "turn": fragment_url(execution.pk),
            "session": page,
        }
        return JsonResponse(started, status=202)
    await give_back_thread()
    if not await _is_answered(execution):
        said = _("The answer takes longer; it goes on without you. Load the page again to see it.")
        await sync_to_async(messages.info)(request, said, fail_silently=True)
    return redirect(way_back(request, page))


async def _is_answered(execution: AgentExecution) -> bool:
    """Wait until the run ends, or waits for a person."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS), aclosing(watch(execution.pk)) as items:
            async for item in items:
                if isinstance(item, Event) and _is_stop(item):
                    return True
    return False


def _is_stop(event: Event) -> bool:
    if event.kind == EventKind.STATE:
        return bool(event.content["status"] == Status.WAITING)
    return event.kind == EventKind.FINAL
