"""The steps of an execution as a table that reads from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from retinue.admin.formatting import amount, charged, figure, pretty, seconds, shortened
from retinue.executions.states import StepKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from retinue.executions.models import AgentExecution, ExecutionStep

STEPS = 200
"""How many steps a page shows."""
NARROWEST = 0.5
"""The width of the shortest bar, in per cent."""


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """A step, when it began and how long it took, in words and as a bar (in per cent of the whole)."""

    step: ExecutionStep
    name: str
    summary: str
    content: str
    after: str
    duration: str
    tokens: str
    cost: str
    exact_cost: str
    """Before it was rounded, or as the provider sent it; empty where it says the same."""
    charge: str
    exact_charge: str
    left: str
    width: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The first steps of an execution, and how many more there are."""

    rows: Sequence[TimelineRow]
    more: int


def timeline(execution: AgentExecution) -> Timeline:
    """The steps in the order in which they were recorded."""
    steps = list(execution.steps.order_by("pk")[:STEPS])
    more = execution.steps.count() - STEPS if len(steps) == STEPS else 0
    if not steps:
        return Timeline(rows=(), more=0)
    began = min(step.started_at for step in steps)
    ended = max(_end(step) for step in steps)
    whole = (ended - began).total_seconds()
    return Timeline(rows=[_row(step, began, whole) for step in steps], more=more)


def _end(step: ExecutionStep) -> datetime:
    return step.started_at + timedelta(seconds=step.duration)


def _row(step: ExecutionStep, began: datetime, whole: float) -> TimelineRow:
    after = (step.started_at - began).total_seconds()
    content = _content(step)
    tokens = step.input_tokens + step.output_tokens
    is_model = step.kind == StepKind.MODEL
    left = min(100 * after / whole, 100 - NARROWEST) if whole else 0
    width = max(min(100 * step.duration / whole, 100 - left), NARROWEST) if whole else 100
    return TimelineRow(
        step=step,
        name=step.name,
        summary=summary(step.kind, content),
        content="" if content is None else pretty(content),
        after=seconds(after),
        duration=seconds(step.duration),
        tokens=f"{step.input_tokens} + {step.output_tokens}" if tokens else "",
        cost=amount(step.cost, tokens) if is_model else "",
        exact_cost=_exact(step.provider_cost, step.cost),
        charge="" if step.charge is None else charged(step.charge, tokens),
        exact_charge=_exact(step.provider_charge, step.charge),
        left=f"{left:.2f}",
        width=f"{width:.2f}",
    )


def _exact(sent: str, kept: Decimal | None) -> str:
    return "" if kept is not None and sent == figure(kept) else sent


def _content(step: ExecutionStep) -> Any:
    """The payload as JSON, or as the text that a site's redaction left."""
    try:
        return step.content
    except ValueError:
        return bytes(step.payload or b"").decode(errors="replace")


def summary(kind: str, content: Any) -> str:
    """What a step came to, in one line; empty where its content is not of Retinue's own making."""
    if not isinstance(content, dict):
        return ""
    if kind == StepKind.MODEL:
        return _of_response(content)
    if kind == StepKind.TOOL:
        return _of_result(content)
    return ""


def _of_response(content: dict[str, Any]) -> str:
    if error := content.get("error"):
        return _("Failed: %(what)s") % {"what": shortened(error)}
    said = []
    for part in content.get("parts", ()):
        if part.get("part_kind") == "text":
            said.append(shortened(part.get("content", "")))
        elif part.get("part_kind") == "tool-call":
            said.append(
                _("calls %(tool)s %(arguments)s")
                % {
                    "tool": part.get("tool_name", ""),
                    "arguments": shortened(part.get("args") or {}),
                }
            )
    return "; ".join(said)


def _of_result(content: dict[str, Any]) -> str:
    if "return" in content:
        return shortened(content["return"])
    if "retry" in content:
        return _("Asked to try again: %(what)s") % {"what": shortened(content["retry"])}
    if "failed" in content:
        return _("Failed: %(what)s") % {"what": shortened(content["failed"])}
    return ""
