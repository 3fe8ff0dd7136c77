"""What people do with one message and its answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from retinue.assistant.access import own_execution, readable_execution
from retinue.assistant.forms import RatingForm, checked
from retinue.assistant.turns import FRAGMENT, turn_of
from retinue.assistant.views.base import done, given, view
from retinue.assistant.views.frame import frame
from retinue.conf import get_settings
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution
from retinue.sessions import ratings
from retinue.types import Principal


@view("GET", "HEAD", guests=True)
def execution_detail(request: HttpRequest, principal: Principal, execution_id: UUID) -> HttpResponse:
    """The message and its answer on a page of their own; with `?fragment`, as the piece of it that scripts ask for."""
    execution = readable_execution(execution_id, principal, request.user)
    turn = turn_of(execution, user=request.user, principal=principal)
    context: dict[str, Any] = {"turn": turn, "session": turn.execution.session, "read_only": not turn.is_own}
    if FRAGMENT in request.GET:
        return render(request, "retinue_assistant/_turn.html", context)
    # What is done here leads back here; a new answer is in the conversation.
    back = "" if turn.may_change else request.path
    context |= {"turns": [turn], "next": back, **frame(request, principal)}
    return render(request, "retinue_assistant/execution_detail.html", context)


@view("POST", guests=True)
def stop(request: HttpRequest, principal: Principal, execution_id: UUID) -> HttpResponse:
    """Stop an answer on its way; one that is there already stays."""
    execution = own_execution(execution_id, principal)
    cancel(execution)
    execution.refresh_from_db(using=get_settings().database, fields=["status"])
    return done(request, execution_page(execution), {"query_id": str(execution.pk), "status": execution.status})


@view("POST", guests=True)
def rate(request: HttpRequest, principal: Principal, execution_id: UUID) -> HttpResponse:
    execution = own_execution(execution_id, principal)
    asked = checked(RatingForm(given(request)))
    ratings.rate(execution, asked["rating"], asked["note"], by=principal)
    data = {"query_id": str(execution.pk), "rating": execution.rating, "note": execution.rating_note}
    return done(request, execution_page(execution), data)


def execution_page(execution: AgentExecution) -> str:
    """The address of the page that shows an execution."""
    if execution.session_id is None:
        return reverse("ai_assistant:execution_detail", args=[execution.pk])
    return reverse("ai_assistant:session_detail", args=[execution.session_id])
