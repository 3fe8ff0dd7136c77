"""Short accounts of what a conversation has become too long for: each is kept with the run that was told it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage
from pydantic_core import from_json

from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import StepKind
from retinue.sessions.history import HISTORY_KEY, exchange

SUMMARY = "What was said before, in short:"
NOTED = "Noted."
LOOK_BACK = 5
"""In how many runs a summary is looked for: the last ones may have been replaced."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What stands for the turns up to one of them."""

    text: str
    through: UUID
    """The execution of the last turn that it covers."""
    until: datetime
    """When that was created."""

    @property
    def messages(self) -> list[ModelMessage]:
        return exchange(f"{SUMMARY}\n\n{self.text}", NOTED)


_summaries: TypeAdapter[Summary | None] = TypeAdapter(Summary | None)


def latest_summary(alias: str, execution: AgentExecution) -> Summary | None:
    """The summary that the session's latest run before this one was given, if all that it covers still counts."""
    notes = ExecutionStep.objects.using(alias).filter(
        execution__session=execution.session_id,
        execution__created_at__lt=execution.created_at,
        key=HISTORY_KEY,
        kind=StepKind.NOTE,
    )
    for payload in notes.order_by("-execution__created_at").values_list("payload", flat=True)[:LOOK_BACK]:
        summary = read_summary(bytes(payload or b""))
        if summary and AgentExecution.objects.using(alias).filter(pk=summary.through, replaced_by=None).exists():
            return summary
    return None


def read_summary(payload: bytes) -> Summary | None:
    """The summary in what a run was told; None where there is none, or where it cannot be read any more."""
    try:
        return _summaries.validate_python(from_json(payload)["summary"])
    except (ValueError, KeyError, TypeError):  # what a site's redaction left
        return None
