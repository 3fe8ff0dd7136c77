"""The pages: dashboard, history, sessions."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from retinue.agents.registry import all_agents
from retinue.assistant.access import readable_session
from retinue.assistant.forms import AskForm, HistoryForm
from retinue.assistant.turns import SHOWN, turns_of
from retinue.assistant.views.base import view
from retinue.assistant.views.frame import RECENT, frame, sessions_of
from retinue.conf import get_settings
from retinue.executions.models import AgentExecution
from retinue.sessions.models import AISession
from retinue.types import Principal

PAGE = 20


@view("GET", "HEAD")
def dashboard(request: HttpRequest, principal: Principal) -> HttpResponse:
    return render(request, "retinue_assistant/dashboard.html", dashboard_context(request, principal, AskForm()))


def dashboard_context(request: HttpRequest, principal: Principal, form: AskForm) -> dict[str, Any]:
    queries, sessions = _queries(principal), sessions_of(principal)
    return {
        "form": form,
        "recent_queries": queries.select_related("replaced_by")[:RECENT],
        "total_queries": queries.count(),
        "active_sessions": sessions.active().count(),
        "purpose": agent.description if (agent := all_agents().get(get_settings().assistant)) else "",
        **frame(request, principal),
    }


@view("GET", "HEAD", guests=True)
def session_detail(request: HttpRequest, principal: Principal, session_id: UUID) -> HttpResponse:
    session = readable_session(session_id, principal, request.user)
    return render(request, "retinue_assistant/session_detail.html", session_context(request, principal, session))


def session_context(
    request: HttpRequest, principal: Principal, session: AISession, form: AskForm | None = None
) -> dict[str, Any]:
    turns = turns_of(
        session,
        user=request.user,
        principal=principal,
        replaced="replaced" in request.GET,
        before=_uuid(request.GET.get("before", "")),
        limit=SHOWN + 1,
    )
    earlier = ""
    if len(turns) > SHOWN:
        turns = turns[1:]
        query = request.GET.copy()
        query["before"] = str(turns[0].id)
        earlier = f"{reverse('ai_assistant:session_detail', args=[session.pk])}?{query.urlencode()}"
    return {
        "session": session,
        "turns": turns,
        "earlier": earlier,
        "form": form or AskForm(initial={"session_id": session.pk}),
        "read_only": session.principal != principal,
        **frame(request, principal),
    }


@view("GET", "HEAD")
def session_list(request: HttpRequest, principal: Principal) -> HttpResponse:
    query = request.GET.get("q", "").strip().replace("\x00", "")
    sessions = sessions_of(principal)
    if query:
        said = AgentExecution.objects.filter(session=OuterRef("pk"), input_prompt__icontains=query, replaced_by=None)
        sessions = sessions.filter(Q(title__icontains=query) | Exists(said))
    counted = sessions.annotate(message_count=Count("executions", filter=Q(executions__replaced_by=None)))
    context = {
        "page_obj": Paginator(counted.order_by("-updated_at", "-pk"), PAGE).get_page(request.GET.get("page")),
        "query": query,
        **frame(request, principal),
    }
    return render(request, "retinue_assistant/session_list.html", context)


@view("GET", "HEAD")
def history(request: HttpRequest, principal: Principal) -> HttpResponse:
    form = HistoryForm(request.GET)
    form.is_valid()  # what is not is said beside its field, and filters nothing
    rows = _filtered(_queries(principal), form.cleaned_data)
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "form": form,
        "page_obj": Paginator(rows.select_related("replaced_by"), PAGE).get_page(request.GET.get("page")),
        "total_cost": rows.order_by().aggregate(total=Sum("charge", default=0))["total"],
        "querystring": f"{query.urlencode()}&" if query else "",
        **frame(request, principal),
    }
    return render(request, "retinue_assistant/history.html", context)


def _queries(principal: Principal) -> Any:
    rows = AgentExecution.objects.using(get_settings().database).roots().of(principal)
    return rows.defer("input").order_by("-created_at", "-pk")


def _filtered(rows: Any, asked: dict[str, Any]) -> Any:
    if status := asked.get("status"):
        rows = rows.filter(status=status)
    if session := asked.get("session"):
        rows = rows.filter(session=session)
    if since := asked.get("since"):
        rows = rows.filter(created_at__gte=_midnight(since))
    if until := asked.get("until"):
        rows = rows.filter(created_at__lt=_midnight(until + timedelta(days=1)))
    if text := asked.get("text"):
        rows = rows.filter(input_prompt__icontains=text)
    return rows


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
