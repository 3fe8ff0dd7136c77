"""What becomes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from retinue.approvals.models import Approval
from retinue.executions.events import Event
from retinue.executions.lifecycle import close_questions
from retinue.executions.models import AgentExecution
from retinue.executions.states import OPEN, Status
from retinue.runtime.journal.accounting import Accounting
from retinue.runtime.journal.events import missing_events
from retinue.runtime.journal.statements.endings import Ending, end_executions
from retinue.runtime.journal.statements.events import insert_events
from retinue.runtime.journal.statements.steps import StepRow, forget_attempts
from retinue.runtime.journal.statements.tables import is_postgresql
from retinue.runtime.journal.writer import lost
from retinue.runtime.run import Run


@dataclass(slots=True, kw_only=True)
class End:
    """What becomes of a run: it gives its lease up."""

    rank: ClassVar[int] = 5
    run: Run
    ending: Ending
    approvals: Sequence[Approval] = ()
    step: StepRow | None = None
    """The run's last, where it is not written yet."""
    accounting: Accounting | None = None
    events: Sequence[Event] = ()
    """The last that this process tells of the run."""
    again: bool = False

    def is_single(self, alias: str) -> bool:
        more = (
            self.events or self.approvals or self.run.approvals or self.run.children or self.run.attempts or self.again
        )
        return not more and (self.step is None or is_postgresql(alias))

    @staticmethod
    def apply(alias: str, operations: list[End]) -> list[BaseException | None]:
        steps = [(op.run.id, op.run.token, op.step) for op in operations if op.step is not None]
        insert_events(alias, [(op.run.token, event) for op in operations for event in op.missing_events(alias)])
        ended = end_executions(alias, [op.ending for op in operations], steps)
        for op in operations:
            if op.run.id not in ended and op.again:
                same = AgentExecution.objects.using(alias).filter(
                    pk=op.run.id, status=op.ending.status, lease_token=op.run.token
                )
                ended |= set(same.values_list("pk", flat=True))
                if op.run.id in ended:
                    op.accounting = None  # its hold ended with it
            elif op.run.id in ended:
                op.follow(alias)
        forget_attempts(alias, [op.run for op in operations if op.step is not None and op.run.id in ended])
        return [None if op.run.id in ended else lost(op.run.id) for op in operations]

    def missing_events(self, alias: str) -> Sequence[Event]:
        """Those that an earlier try did not write."""
        return self.events if not (self.events and self.again) else missing_events(alias, self.run.id, self.events)

    def follow(self, alias: str) -> None:
        """What hangs on the root: its questions, and its children that are still open."""
        if self.ending.status == Status.WAITING:
            forget_attempts(alias, [self.run])  # it came through
        if self.approvals:
            self.ask(alias)
        if self.run.approvals and self.ending.completed_at is not None:
            close_questions(alias, self.run.id, self.ending.completed_at)
        if self.run.children and self.ending.status != Status.QUEUED:
            AgentExecution.objects.using(alias).filter(root_id=self.run.id, status__in=OPEN).exclude(
                parent=None
            ).update(status=self.ending.status, completed_at=self.ending.completed_at)

    def ask(self, alias: str) -> None:
        """Write the questions. One that a person answered meanwhile makes the run claimable at once."""
        Approval.objects.using(alias).bulk_create(self.approvals, ignore_conflicts=True)
        asked = Approval.objects.using(alias).filter(execution__in={a.execution_id for a in self.approvals})
        keys = {(a.execution_id, a.key) for a in self.approvals}
        answered = asked.exclude(status=Approval.Status.PENDING).values_list("execution_id", "key")
        if keys & set(answered):
            AgentExecution.objects.using(alias).filter(pk=self.run.id).update(status=Status.QUEUED, run_after=None)
