"""Steps to be written, and to be looked up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import FINAL, StepKind
from retinue.runtime.journal.accounting import Accounting
from retinue.runtime.journal.statements.leases import hold
from retinue.runtime.journal.statements.steps import StepRow, forget_attempts, insert_steps
from retinue.runtime.journal.writer import lost
from retinue.runtime.purse import Used
from retinue.runtime.run import Run


@dataclass(slots=True, kw_only=True)
class WriteStep:
    """One step of a run."""

    rank: ClassVar[int] = 3
    run: Run
    row: StepRow
    accounting: Accounting | None = None
    again: bool = False

    def is_single(self, alias: str) -> bool:
        return not (self.again or self.run.attempts)

    @staticmethod
    def apply(alias: str, operations: list[WriteStep]) -> list[BaseException | None]:
        there = {op.place for op in operations if op.again and op.is_there(alias)}
        for op in operations:
            if op.place in there and op.accounting is not None:
                op.accounting, op.run.purse.is_certain = None, False  # done with it, though nobody heard of it
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
class TakeHold:
    """Money for a model request, from the budgets of the run's principal. Gives BudgetExceeded where they have none."""

    rank: ClassVar[int] = 2
    run: Run
    accounting: Accounting
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[TakeHold]) -> list[BaseException | None]:
        held = hold(alias, [op.run.lease for op in operations])
        for op in operations:
            if op.again:
                op.run.purse.is_certain = False  # an earlier try may have taken it, too
        return [None if op.run.lease in held else lost(op.run.id) for op in operations]


@dataclass(slots=True, kw_only=True)
class SettleLate:
    """What a request had used that was cut off when its run was ended from outside."""

    rank: ClassVar[int] = 2
    execution_id: UUID
    accounting: Accounting
    used: Used
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[SettleLate]) -> list[None]:
        for op in operations:
            rows: Any = AgentExecution.objects.using(alias).filter(pk=op.execution_id, status__in=FINAL)
            found = rows.select_for_update(no_key=True).values_list("cost", "charge", "tokens_used").first()
            if found is None or op.again:
                op.accounting.late = ()  # another process goes on with it; or this may be written already
            else:
                cost, charge, tokens = found
                rows.update(
                    tokens_used=tokens + (op.used.tokens or 0),
                    cost=op.sum(alias, "cost", cost, op.used.cost),
                    charge=op.sum(alias, "charge", charge, op.used.charge),
                )
        return [None] * len(operations)

    def sum(self, alias: str, name: str, earlier: Decimal | None, more: Decimal | None) -> Decimal | None:
        """None where either is unknown; that the run had asked for nothing before is no amount, but not unknown."""
        if earlier is not None and more is not None:
            return earlier + more
        asked = ExecutionStep.objects.using(alias).filter(execution__root=self.execution_id, kind=StepKind.MODEL)
        return None if asked.filter(**{name: None}).exists() else more


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
