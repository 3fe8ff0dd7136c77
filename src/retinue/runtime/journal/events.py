"""Events to be written, fenced like steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from retinue.executions.events import Event
from retinue.executions.models import ExecutionEvent
from retinue.runtime.journal.statements.events import insert_events
from retinue.runtime.journal.statements.tables import is_postgresql
from retinue.runtime.journal.writer import lost
from retinue.runtime.run import Run


@dataclass(slots=True, kw_only=True)
class WriteEvents:
    """Events of a run."""

    rank: ClassVar[int] = 4
    run: Run
    events: Sequence[Event]
    again: bool = False

    def is_single(self, alias: str) -> bool:
        return not self.again and (len(self.events) == 1 or is_postgresql(alias))

    @staticmethod
    def apply(alias: str, operations: list[WriteEvents]) -> list[BaseException | None]:
        missing = [missing_events(alias, op.run.id, op.events) if op.again else op.events for op in operations]
        rows = [(op.run.token, event) for op, events in zip(operations, missing, strict=True) for event in events]
        held = insert_events(alias, rows)
        return [
            None if not events or op.run.lease in held else lost(op.run.id)
            for op, events in zip(operations, missing, strict=True)
        ]


def missing_events(alias: str, execution_id: UUID, events: Sequence[Event]) -> Sequence[Event]:
    """Those that an earlier try did not write."""
    there = set(ExecutionEvent.objects.using(alias).filter(execution=execution_id).values_list("epoch", "seq"))
    return [event for event in events if event.id and (event.id.epoch, event.id.seq) not in there]
