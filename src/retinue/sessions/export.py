"""A conversation as a file: Markdown to read, JSON with everything."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import EventKind, Status, StepKind
from retinue.executions.transcript import answer_so_far, told_by_steps
from retinue.sessions.models import AISession
from retinue.storable import storable

FORMAT = 1
"""Of the JSON file: it grows where a reader would notice."""


def to_json(session: AISession) -> str:
    """The session and all its messages, those that were replaced included, each with its tool calls."""
    exported = {
        "format": FORMAT,
        "session_id": str(session.pk),
        "title": session.title,
        "agent": session.agent_name,
        "context": session.context,
        "created_at": session.created_at.isoformat(),
        "updated_at": session.updated_at.isoformat(),
        "turns": _turns(session),
    }
    return json.dumps(exported, ensure_ascii=False, allow_nan=False, indent=2)


def to_markdown(session: AISession) -> str:
    """The conversation as it stands now."""
    lines = [f"# {session.title or session.pk}", "", _about(session)]
    for turn in _turns(session):
        if turn["replaced_by"] is None:
            lines += ["", *_turn_lines(turn)]
    return "\n".join(lines) + "\n"


def _turns(session: AISession) -> list[dict[str, Any]]:
    alias = get_settings().database
    rows = AgentExecution.objects.using(alias).filter(session=session.pk).roots()
    executions = list(rows.select_related("replaced_by").order_by("created_at", "id"))
    steps: dict[UUID, list[ExecutionStep]] = defaultdict(list)
    recorded = ExecutionStep.objects.using(alias).filter(
        execution__in=[row.pk for row in executions], kind__in=[StepKind.MODEL, StepKind.TOOL]
    )
    for step in recorded.order_by("pk"):
        steps[step.execution_id].append(step)
    # Tools may give numbers that are none in JSON.
    return [storable(_turn(alias, execution, steps[execution.pk])) for execution in executions]


def _turn(alias: str, execution: AgentExecution, steps: list[ExecutionStep]) -> dict[str, Any]:
    replaced_by = getattr(execution, "replaced_by", None)
    return {
        "execution_id": str(execution.pk),
        "status": execution.status,
        "created_at": execution.created_at.isoformat(),
        "completed_at": execution.completed_at.isoformat() if execution.completed_at else None,
        "replaces": str(execution.replaces_id) if execution.replaces_id else None,
        "replaced_by": str(replaced_by.pk) if replaced_by else None,
        "prompt": execution.input_prompt,
        "answer": answer_so_far(alias, execution),
        "output": execution.output_data,
        "error": execution.error_message or None,
        "tool_calls": _tool_calls(steps),
        "cost": _text(execution.cost),
        "charge": _text(execution.charge),
        "tokens": execution.tokens_used,
        "seconds": execution.execution_time,
        "quality_score": execution.quality_score,
        "from_cache": execution.from_cache,
        "rating": execution.rating,
        "rating_note": execution.rating_note,
    }


def _text(amount: Any) -> str | None:
    return None if amount is None else f"{amount:f}"


def _tool_calls(steps: Iterable[ExecutionStep]) -> list[dict[str, Any]]:
    """The calls that the model made, with what they gave; what a site redacted beyond reading is left out."""
    calls: list[dict[str, Any]] = []
    latest: dict[str, dict[str, Any]] = {}  # providers may use an id again
    for kind, data in told_by_steps(steps):
        if kind == EventKind.TOOL_CALL:
            call = latest[data["call_id"]] = {"tool": data["tool"], "arguments": data["arguments"], "result": None}
            calls.append(call)
        elif kind == EventKind.TOOL_RESULT:
            latest[data["call_id"]]["result"] = data["content"]
    return calls


def _about(session: AISession) -> str:
    return _("Begun on %(date)s, with %(agent)s.") % {"agent": session.agent_name, "date": _date(session.created_at)}


def _date(moment: datetime | str) -> str:
    time = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return date_format(localtime(time), "DATETIME_FORMAT")


def _turn_lines(turn: dict[str, Any]) -> list[str]:
    lines = [f"## {_date(turn['created_at'])}", "", *_quoted(turn["prompt"]), ""]
    for call in turn["tool_calls"]:
        lines += [_("Called %(tool)s:") % {"tool": f"`{call['tool']}`"}, "", *_fenced(call["arguments"])]
        if call["result"] is not None:
            lines += ["", _("It gave:"), "", *_fenced(call["result"])]
        lines.append("")
    if turn["answer"]:
        lines += [turn["answer"], ""]
    if turn["status"] != Status.COMPLETED:
        lines += [f"*{Status(turn['status']).label}*{': ' + turn['error'] if turn['error'] else ''}", ""]
    return [*lines, f"*{_facts(turn)}*"]


def _quoted(text: str) -> list[str]:
    return [f"> {line}".rstrip() for line in text.splitlines()]


def _fenced(value: Any) -> list[str]:
    """A block of code that nothing in it can end."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    fence = "```"
    while fence in text:
        fence += "`"
    return [fence if isinstance(value, str) else f"{fence}json", text, fence]


def _facts(turn: dict[str, Any]) -> str:
    facts = [_("%(seconds).1f s") % turn, _("%(tokens)s tokens") % turn]
    if turn["charge"] is not None:
        facts.append(f"{_plain(turn['charge'])} {get_settings().credits_name}")
    if turn["cost"] is not None:
        facts.append(f"{_plain(turn['cost'])} USD")
    return " · ".join(facts)


def _plain(amount: str) -> str:
    """Without the zeros that say nothing."""
    return f"{Decimal(amount).normalize():f}"
