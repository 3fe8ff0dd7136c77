"""Stored events of streamed executions: their ids, what is read of them, and when they go."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import total_ordering
from typing import Any, Self
from uuid import UUID

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.executions.states import FINAL, EventKind, Status


@total_ordering
@dataclass(frozen=True, slots=True)
class EventId:
    """The place of a stored event in its execution: `epoch-seq`. Both count from 1."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    def __lt__(self, other: EventId) -> bool:
        return (self.epoch, self.seq) < (other.epoch, other.seq)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The id that a text says. Raises ValueError."""
        epoch, _, seq = text.strip().partition("-")
        if not (epoch.isascii() and epoch.isdigit() and seq.isascii() and seq.isdigit() and len(text) < 40):
            raise ValueError(f"{text!r} is not the id of an event: it looks like 1-7.")
        return cls(int(epoch), int(seq))


@dataclass(eq=False, slots=True)
class Event:
    """What a watcher is told. Without an id it is not stored yet."""

    execution_id: UUID
    kind: str
    data: bytes
    """A JSON object in UTF-8."""
    id: EventId | None = None
    created_at: datetime | None = None
    epoch: int = 0
    """Which taking up of the run says this, where it has no id."""
    encoded: dict[str, bytes] = field(default_factory=dict)
    """The same in the formats that were asked for: made once for all watchers."""
    _content: dict[str, Any] | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The data. Read once for all watchers: not to be changed."""
        if self._content is None:
            self._content = json.loads(self.data)
        return self._content


def read_events(alias: str, execution_id: UUID, after: EventId | None = None) -> list[Event]:
    """The stored events after that place, in order."""
    rows = ExecutionEvent.objects.using(alias).filter(execution=execution_id).order_by("epoch", "seq")
    if after is not None:
        rows = rows.filter(epoch=after.epoch, seq__gt=after.seq) | rows.filter(epoch__gt=after.epoch)
    return [to_event(row) for row in rows.iterator(chunk_size=500)]


def to_event(row: ExecutionEvent) -> Event:
    return Event(row.execution_id, row.kind, bytes(row.data), EventId(row.epoch, row.seq), row.created_at)


def prune_events(alias: str, before: datetime) -> int:
    """Delete the events of executions that ended before that time; give how many.

    What a run of a session had said before it was stopped is nowhere else: it stays as long as its session.
    """
    ended = AgentExecution.objects.using(alias).filter(status__in=FINAL, completed_at__lt=before, stream=True)
    ended = ended.filter(session=None) | ended.filter(status=Status.COMPLETED)
    old = ExecutionEvent.objects.using(alias).filter(execution__in=ended.values("pk"))
    # Most of the time there is none: to look first spares others the lock.
    return old.delete()[0] if old.exists() else 0


def final_data(execution: AgentExecution) -> bytes:
    """What the last event of an execution that has ended says."""
    completed = execution.status == Status.COMPLETED
    output = execution.output_data
    said = {
        "status": execution.status,
        "answer": execution.answer if completed else None,
        "output": None if isinstance(output, str) else output,
        "error_code": execution.error_code,
        "error_message": execution.error_message,
        "cost": None if execution.cost is None else float(execution.cost),
        "charge": None if execution.charge is None else float(execution.charge),
        "unit": get_settings().credits_name,
        "tokens": execution.tokens_used,
        "execution_time": execution.execution_time,
        "quality_score": execution.quality_score,
        "from_cache": execution.from_cache,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def final_event(execution: AgentExecution) -> Event:
    """The last event of an execution that has none stored."""
    return Event(execution.pk, EventKind.FINAL, final_data(execution))
