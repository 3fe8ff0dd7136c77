"""Runs inside another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from retinue.executions.models import AgentExecution
from retinue.runtime.journal.statements.executions import insert_executions
from retinue.runtime.journal.statements.leases import hold
from retinue.runtime.journal.writer import lost
from retinue.runtime.run import Run


@dataclass(slots=True, kw_only=True)
class StartChild:
    """A run inside another."""

    rank: ClassVar[int] = 2
    run: Run
    execution: AgentExecution
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[StartChild]) -> list[BaseException | None]:
        held = hold(alias, [op.run.lease for op in operations])
        rows = [op.execution for op in operations if op.run.lease in held]
        if any(op.again for op in operations):
            there = set(
                AgentExecution.objects.using(alias).filter(pk__in=[r.pk for r in rows]).values_list("pk", flat=True)
            )
            rows = [row for row in rows if row.pk not in there]
        if rows:
            insert_executions(alias, rows)
        return [None if op.run.lease in held else lost(op.run.id) for op in operations]


@dataclass(slots=True, kw_only=True)
class EndChild:
    """The outcome of a run inside another."""

    rank: ClassVar[int] = 4
    run: Run
    execution_id: UUID
    values: dict[str, Any]
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[EndChild]) -> list[BaseException | None]:
        held = hold(alias, [op.run.lease for op in operations])
        for op in operations:
            if op.run.lease in held:
                AgentExecution.objects.using(alias).filter(pk=op.execution_id).update(**op.values)
        return [None if op.run.lease in held else lost(op.run.id) for op in operations]
