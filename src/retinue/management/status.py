"""How the engine is: what `orchestrator_status` shows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connections

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.management.database import has_tables
from retinue.management.errors import first_line
from retinue.workers.status import alive_workers, is_late, look_at_queue

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent

HEALTHY, DEGRADED, AWAY = "healthy", "degraded", "database away"
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
