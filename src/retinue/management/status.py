"""How the engine is: what `orchestrator_status` shows."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution, Worker
from retinue.executions.states import OPEN, Status
from retinue.management.database import has_tables
from retinue.management.errors import first_line
from retinue.workers.records import ALIVE_SECONDS

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent

HEALTHY, DEGRADED, AWAY = "healthy", "degraded", "database away"
LATE_SECONDS = 60.0
"""Work that is queued for longer, while no worker is alive, is a problem."""
ERRORS = 5


def look() -> dict[str, Any]:
    """Everything, as JSON values. What the database does not say is None."""
    database = look_at_database()
    work: dict[str, Any] = {"queue": None, "workers": None, "errors": None}
    if database["migrated"]:
        try:
            work = {"queue": look_at_queue(), "workers": alive_workers(), "errors": last_errors()}
        except (DatabaseError, InterfaceError) as error:  # it went away in between
            database |= {"reachable": False, "problem": first_line(error)}
    agents, problem = look_at_agents()
    status = AWAY if not database["reachable"] else HEALTHY
    if status == HEALTHY and (not database["migrated"] or problem or is_late(work["queue"], work["workers"])):
        status = DEGRADED
    return {"status": status, "database": database, **work, "agents": agents, "agents_problem": problem}


def look_at_database() -> dict[str, Any]:
    """Whether it answers, how quickly, and whether Retinue's tables are there."""
    connection = connections[get_settings().database]
    seen = {"alias": connection.alias, "vendor": connection.vendor, "reachable": False, "migrated": False}
    try:
        connection.ensure_connection()
        began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        seen |= {"reachable": True, "latency_ms": round((time.monotonic() - began) * 1000, 2), "problem": None}
        seen["migrated"] = has_tables()
    except (DatabaseError, InterfaceError) as error:
        seen |= {"latency_ms": None, "problem": first_line(error)}
    return seen


def look_at_queue() -> dict[str, Any]:
    """What is open, and for how long the oldest has been waiting for a worker."""
    rows, now = AgentExecution.objects.using(get_settings().database).roots(), timezone.now()
    counts = dict(rows.filter(status__in=OPEN).order_by().values_list("status").annotate(Count("pk")))
    due = rows.filter(Q(run_after=None) | Q(run_after__lte=now), status=Status.QUEUED)
    oldest = due.aggregate(since=Min(Coalesce("run_after", "created_at")))["since"]
    return {
        **{str(status): counts.get(status, 0) for status in (Status.QUEUED, Status.RUNNING, Status.WAITING)},
        "oldest_queued_seconds": None if oldest is None else round((now - oldest).total_seconds(), 1),
    }


def alive_workers() -> list[dict[str, Any]]:
    """Those that were seen lately, and how much each of them does."""
    since = timezone.now() - timedelta(seconds=ALIVE_SECONDS)
    rows = Worker.objects.using(get_settings().database).filter(seen_at__gte=since).order_by("started_at")
    return [
        {
            "name": worker.name,
            "embedded": worker.embedded,
            "queues": worker.queues,
            "active": worker.active,
            "concurrency": worker.concurrency,
            "started_at": worker.started_at.isoformat(),
            "seen_at": worker.seen_at.isoformat(),
        }
        for worker in rows
    ]


def last_errors() -> list[dict[str, Any]]:
    """The executions that failed last."""
    rows = AgentExecution.objects.using(get_settings().database).roots().filter(status=Status.FAILED)
    return [
        {
            "id": str(execution.pk),
            "agent": execution.agent_name,
            "code": execution.error_code,
            "message": execution.error_message,
            "completed_at": execution.completed_at.isoformat() if execution.completed_at else None,
        }
        for execution in rows.order_by("-created_at")[:ERRORS]
    ]


def look_at_agents() -> tuple[list[dict[str, Any]], str | None]:
    """Every agent, and what kept them from being loaded."""
    from retinue.agents.registry import all_agents

    try:
        return [_agent(agent) for agent in all_agents().values()], None
    except Exception as error:  # whatever a site's module may raise
        return [], f"{type(error).__name__}: {error}"


def _agent(agent: DjangoAgent[Any, Any]) -> dict[str, Any]:
    from pydantic_ai.toolsets import FunctionToolset

    from retinue.agents.registry import place_of

    tools: list[str] = []
    for toolset in agent.toolsets:
        if isinstance(toolset, FunctionToolset):
            tools += toolset.tools
        else:
            tools.append(toolset.label)
    return {"name": agent.name, "place": place_of(agent.name or ""), "model": agent.model_name, "tools": tools}


def is_late(queue: dict[str, Any], workers: list[dict[str, Any]]) -> bool:
    """Whether work has been queued for long and nobody is there to do it."""
    oldest = queue["oldest_queued_seconds"]
    return not workers and oldest is not None and oldest > LATE_SECONDS
