"""Executions that a process takes up, with what they recorded before."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from retinue.approvals.models import Approval
from retinue.budgets.applicable import applicable
from retinue.conf import get_settings
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import OPEN, Status, StepKind
from retinue.executions.streamed import load_streamed
from retinue.runtime.grants import load_grants
from retinue.runtime.journal.accounting import Accounting
from retinue.runtime.purse import Purse
from retinue.runtime.run import Recorded, Run, Spending

EARLIER = Q(created_at__lt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__lt=OuterRef("pk"))
FIRST = AgentExecution.objects.filter(
    EARLIER | Q(started_at__isnull=False), session=OuterRef("session"), parent=None, status__in=sorted(OPEN)
)
MAY_BEGIN = Q(session=None) | Q(started_at__isnull=False) | ~Exists(FIRST)
"""A message of a session is answered after those before it, whatever these wait for."""


@dataclass(slots=True, kw_only=True)
class Claim:
    """Executions that this process is to run. Gives their `Run`s, with what they recorded before."""

    rank: ClassVar[int] = 1
    limit: int = 1
    queues: Sequence[str] = ()
    agents: Sequence[str] = ()
    ids: Sequence[UUID] = ()
    but: Callable[[], Collection[UUID]] = list
    """Not these: this process runs them, though it may be late in saying so. Asked for at the last moment."""
    expired: bool = False
    due: bool = False
    alone: bool = False
    reserved: bool = False
    """Also what this process has reserved for itself: see `runtime.admission.reserve`."""
    accounting: Accounting | None = None
    """What those that died still held is given back."""
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[Claim]) -> list[list[Run]]:
        return [operation.claim(alias) for operation in operations]

    def claim(self, alias: str) -> list[Run]:
        now, self.accounting = timezone.now(), None
        candidates = self.candidates(alias, now).order_by("-priority", "created_at")
        if not candidates.query.is_sliced:
            candidates = candidates[: self.limit]
        from django.db import connections

        features = connections[alias].features
        if features.has_select_for_update_skip_locked:
            candidates = candidates.select_for_update(skip_locked=True, no_key=True)
        found = dict(candidates.values_list("pk", "session"))
        if not found:
            return []
        token = uuid.uuid4()
        if not any(found.values()):
            return self.take(alias, list(found), token, now)
        try:
            with transaction.atomic(using=alias):
                return self.take(alias, list(found), token, now)
        except IntegrityError:  # another process has just begun with another message of one of these sessions
            self.accounting = None
            return []

    def take(self, alias: str, ids: list[UUID], token: UUID, now: Any) -> list[Run]:
        """Make them this process's. Raises IntegrityError where a session answers another message already."""
        rows, settings = AgentExecution.objects.using(alias).filter(pk__in=ids), get_settings()
        rows.update(
            status=Status.RUNNING,
            lease_token=token,
            lease_expires=now + timedelta(seconds=settings.lease_seconds),
            run_after=None,
            **({"attempts": F("attempts") + 1} if self.expired else {}),
        )
        executions = list(rows.order_by("-priority", "created_at"))
        first = [row for row in executions if row.started_at is None]
        if first:
            AgentExecution.objects.using(alias).filter(pk__in=[row.pk for row in first]).update(started_at=now)
            for row in first:
                row.started_at = now
        if self.expired:
            self.accounting = Accounting(release=ids, reason="its process died")
        return resume(alias, executions, token, fresh={row.pk for row in first})

    def candidates(self, alias: str, now: Any) -> Any:
        rows = AgentExecution.objects.using(alias).filter(parent=None)
        if self.expired:
            rows = rows.filter(status=Status.RUNNING, lease_expires__lt=now).exclude(pk__in=self.but())
            # Those that are beyond hope, or that nobody is to resume, are left for the sweep to fail.
            rows = rows.filter(attempts__lt=get_settings().max_attempts - 1)
            if get_settings().orphans == "fail":
                rows = rows.exclude(attached=True)
        elif self.due:
            rows = rows.filter(status=Status.WAITING, run_after__lte=now)
        else:
            rows = rows.filter(MAY_BEGIN, status=Status.QUEUED)
            if not self.reserved:
                rows = rows.exclude(run_after__gt=now)
        if self.ids:
            return rows.filter(pk__in=list(self.ids))
        if self.queues:
            rows = rows.filter(queue__in=list(self.queues))
        if self.agents:
            rows = rows.filter(agent_name__in=list(self.agents))
        limit = suspicious_from() - (1 if self.expired else 0)
        return rows.filter(attempts__gte=limit) if self.alone else rows.filter(attempts__lt=limit)


def suspicious_from() -> int:
    """From how many attempts on an execution is run alone, so that it takes no others along."""
    return max(1, get_settings().max_attempts - 1)


def resume(alias: str, executions: list[AgentExecution], token: UUID, fresh: set[UUID]) -> list[Run]:
    """The runs of claimed executions, with their principals' rights and what was recorded before."""
    from retinue.runtime.submission import wanted_of

    wanted = {row.pk: wanted_of(row.agent_name) for row in executions}
    grants = load_grants([(row.principal, wanted[row.pk]) for row in executions], alias)
    budgets = applicable(alias, {row.principal for row in executions})
    runs = {
        row.pk: Run(
            execution=row,
            token=token,
            principal=row.principal,
            grants=grants[row.principal],
            wanted=wanted[row.pk],
            purse=Purse(budgets[row.principal]),
            attempts=row.attempts,
        )
        for row in executions
    }
    old = [pk for pk in runs if pk not in fresh]
    if old:
        load_history(alias, {pk: runs[pk] for pk in old})
    return list(runs.values())


def load_history(alias: str, runs: dict[UUID, Run]) -> None:
    """Put into each run its steps, its children and what was decided."""
    AgentExecution.objects.using(alias).filter(root__in=list(runs), status=Status.WAITING).exclude(parent=None).update(
        status=Status.RUNNING
    )
    paths: dict[UUID, tuple[Run, str]] = {pk: (run, "") for pk, run in runs.items()}
    for child in AgentExecution.objects.using(alias).filter(root__in=list(runs)).exclude(parent=None):
        run = runs[child.root_id]
        run.children[child.path] = child
        paths[child.pk] = (run, child.path)
    steps = ExecutionStep.objects.using(alias).filter(execution__in=list(paths)).order_by("id")
    for step in steps.iterator(chunk_size=500):
        run, path = paths[step.execution_id]
        payload = None if step.payload is None else bytes(step.payload)
        run.steps[step.execution_id, step.key] = Recorded(bytes(step.digest), payload)
        if step.kind == StepKind.MODEL:
            run.spendings.append(Spending(path, step.input_tokens + step.output_tokens, step.cost, step.charge))
    streamed = [pk for pk, run in runs.items() if run.execution.stream]
    if streamed:
        for pk, told in load_streamed(alias, streamed).items():
            runs[pk].streamed = told
    for approval in Approval.objects.using(alias).filter(execution__in=list(paths)):
        run, _ = paths[approval.execution_id]
        run.approvals[approval.execution_id, approval.key] = approval
