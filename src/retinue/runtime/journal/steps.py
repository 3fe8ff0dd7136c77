"""Steps to be written, and to be looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from retinue.executions.models import ExecutionStep
from retinue.executions.states import StepKind
from retinue.runtime.journal.statements import (
    StepRow,
    forget_attempts,
    insert_steps,
)
from retinue.runtime.journal.writer import lost
from retinue.runtime.run import Run


@dataclass(slots=True, kw_only=True)
class WriteStep:
    """One step of a run."""

    rank: ClassVar[int] = 3
    run: Run
    row: StepRow
    again: bool = False

    def is_single(self, alias: str) -> bool:
        return not (self.again or self.run.attempts)

    @staticmethod
    def apply(alias: str, operations: list[WriteStep]) -> list[BaseException | None]:
        there = {op.place for op in operations if op.again and op.is_there(alias)}
        rows = [(op.run.id, op.run.token, op.row) for op in operations if op.place not in there]
        written = there | (insert_steps(alias, rows) if rows else set())
        steps = [op for op in operations if op.place in written and op.row.kind != StepKind.STARTED]
        forget_attempts(alias, [op.run for op in steps])
        return [None if op.place in written else lost(op.run.id) for op in operations]

    @property
    def place(self) -> tuple[UUID, str]:
        return self.row.execution_id, self.row.key

    def is_there(self, alias: str) -> bool:
        steps = ExecutionStep.objects.using(alias)
        return steps.filter(execution_id=self.row.execution_id, key=self.row.key).exists()


@dataclass(slots=True, kw_only=True)
class FindStep:
    """The payload of a step that may have been written."""

    rank: ClassVar[int] = 3
    place: tuple[UUID, str]
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[FindStep]) -> list[bytes | None]:
        steps = ExecutionStep.objects.using(alias).values_list("payload", flat=True)
        found = [steps.filter(execution_id=op.place[0], key=op.place[1]).first() for op in operations]
        return [None if payload is None else bytes(payload) for payload in found]
