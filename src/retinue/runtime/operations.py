"""What the journal's writer can be asked to write."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from retinue.approvals.models import Approval
from retinue.conf import get_settings
from retinue.errors import AgentPermissionDenied, IdempotencyConflict
from retinue.executions.lifecycle import close_questions
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import OPEN, Status, StepKind
from retinue.runtime.grants import Grants, load_grants
from retinue.runtime.journal import lost
from retinue.runtime.run import Recorded, Run, Spending
from retinue.runtime.statements import (
    Ending,
    StepRow,
    end_executions,
    forget_attempts,
    hold,
    insert_executions,
    insert_steps,
    is_postgresql,
)
from retinue.types import Principal


@dataclass(slots=True, kw_only=True)
class Create:
    """A new root execution that this process runs at once. Gives its `Run`, or the execution that was there."""

    rank: ClassVar[int] = 0
    execution: AgentExecution
    permission: str | None
    wanted: tuple[str, ...]
    again: bool = False

    def is_single(self, alias: str) -> bool:
        return not self.again

    @staticmethod
    def apply(alias: str, operations: list[Create]) -> list[Run | AgentExecution | Exception]:
        grants = load_grants([(op.execution.principal, op.wanted) for op in operations], alias)
        results: list[Any] = [None] * len(operations)
        fresh = []
        for position, op in enumerate(operations):
            execution = op.execution
            mine = grants[execution.principal]
            if not mine.may_run(op.permission):
                results[position] = refusal(mine, execution.agent_name)
            elif execution.idempotency_key is not None and (earlier := find_earlier(alias, execution)):
                results[position] = earlier
            else:
                assert execution.lease_token is not None
                results[position] = Run(
                    execution=execution,
                    token=execution.lease_token,
                    principal=execution.principal,
                    grants=mine,
                    wanted=op.wanted,
                )
                if not (op.again and AgentExecution.objects.using(alias).filter(pk=execution.pk).exists()):
                    fresh.append(execution)
        if fresh:
            insert_executions(alias, fresh)
        return results


def refusal(grants: Grants, agent_name: str) -> AgentPermissionDenied:
    """Why this principal may not run that agent."""
    if grants.principal.is_user and not grants.exists:
        return AgentPermissionDenied(f"There is no user {grants.principal.key!r}.")
    if grants.principal.is_user and not grants.is_active:
        return AgentPermissionDenied("The user is not active.")
    return AgentPermissionDenied(f"{grants.principal} may not run the agent {agent_name!r}.")


def find_earlier(alias: str, execution: AgentExecution) -> AgentExecution | IdempotencyConflict | None:
    """The execution that has this idempotency key already, if its input is the same."""
    earlier = (
        AgentExecution.objects.using(alias)
        .of(execution.principal)
        .filter(agent_name=execution.agent_name, idempotency_key=execution.idempotency_key)
        .first()
    )
    if earlier is None or bytes(earlier.input) == bytes(execution.input):
        return earlier
    return IdempotencyConflict(
        f"The idempotency key {execution.idempotency_key!r} was used before for {execution.agent_name!r}, "
        "with another input."
    )


@dataclass(slots=True, kw_only=True)
class Claim:
    """Executions that this process is to run. Gives their `Run`s, with what they recorded before."""

    rank: ClassVar[int] = 1
    limit: int = 1
    queues: Sequence[str] = ()
    agents: Sequence[str] = ()
    ids: Sequence[UUID] = ()
    but: Sequence[UUID] = ()
    """Not these: this process runs them, though it may be late in saying so."""
    expired: bool = False
    due: bool = False
    alone: bool = False
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[Claim]) -> list[list[Run]]:
        return [operation.claim(alias) for operation in operations]

    def claim(self, alias: str) -> list[Run]:
        now, settings = timezone.now(), get_settings()
        candidates = self.candidates(alias, now).order_by("-priority", "created_at")
        if not candidates.query.is_sliced:
            candidates = candidates[: self.limit]
        from django.db import connections

        features = connections[alias].features
        if features.has_select_for_update_skip_locked:
            candidates = candidates.select_for_update(skip_locked=True, no_key=True)
        ids = [pk for (pk,) in candidates.values_list("pk")]
        if not ids:
            return []
        rows = AgentExecution.objects.using(alias).filter(pk__in=ids)
        token = uuid.uuid4()
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
        return resume(alias, executions, token, fresh={row.pk for row in first})

    def candidates(self, alias: str, now: Any) -> Any:
        rows = AgentExecution.objects.using(alias).filter(parent=None)
        if self.expired:
            rows = rows.filter(status=Status.RUNNING, lease_expires__lt=now).exclude(pk__in=self.but)
            # Those that are beyond hope, or that nobody is to resume, are left for the sweep to fail.
            rows = rows.filter(attempts__lt=get_settings().max_attempts - 1)
            if get_settings().orphans == "fail":
                rows = rows.exclude(attached=True)
        elif self.due:
            rows = rows.filter(status=Status.WAITING, run_after__lte=now)
        else:
            rows = rows.filter(status=Status.QUEUED).exclude(run_after__gt=now)
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
    runs = {
        row.pk: Run(
            execution=row,
            token=token,
            principal=row.principal,
            grants=grants[row.principal],
            wanted=wanted[row.pk],
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
            run.spendings.append(Spending(path, step.input_tokens + step.output_tokens, step.cost))
    for approval in Approval.objects.using(alias).filter(execution__in=list(paths)):
        run, _ = paths[approval.execution_id]
        run.approvals[approval.execution_id, approval.key] = approval


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


@dataclass(slots=True, kw_only=True)
class End:
    """What becomes of a run: it gives its lease up."""

    rank: ClassVar[int] = 5
    run: Run
    ending: Ending
    approvals: Sequence[Approval] = ()
    step: StepRow | None = None
    """The run's last, where it is not written yet."""
    again: bool = False

    def is_single(self, alias: str) -> bool:
        more = self.approvals or self.run.approvals or self.run.children or self.run.attempts or self.again
        return not more and (self.step is None or is_postgresql(alias))

    @staticmethod
    def apply(alias: str, operations: list[End]) -> list[BaseException | None]:
        steps = [(op.run.id, op.run.token, op.step) for op in operations if op.step is not None]
        ended = end_executions(alias, [op.ending for op in operations], steps)
        for op in operations:
            if op.run.id not in ended and op.again:
                same = AgentExecution.objects.using(alias).filter(
                    pk=op.run.id, status=op.ending.status, lease_token=op.run.token
                )
                ended |= set(same.values_list("pk", flat=True))
            elif op.run.id in ended:
                op.follow(alias)
        forget_attempts(alias, [op.run for op in operations if op.step is not None and op.run.id in ended])
        return [None if op.run.id in ended else lost(op.run.id) for op in operations]

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


@dataclass(slots=True, kw_only=True)
class Renew:
    """A lease whose time is over, but which nobody may have taken."""

    rank: ClassVar[int] = 2
    run: Run
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[Renew]) -> list[BaseException | None]:
        held = hold(alias, [op.run.lease for op in operations])
        expires = timezone.now() + timedelta(seconds=get_settings().lease_seconds)
        AgentExecution.objects.using(alias).filter(pk__in=[pk for pk, _ in held]).update(lease_expires=expires)
        return [None if op.run.lease in held else lost(op.run.id) for op in operations]


@dataclass(slots=True, kw_only=True)
class LoadGrants:
    """A principal's rights as they are now."""

    rank: ClassVar[int] = 6
    principal: Principal
    wanted: tuple[str, ...]
    again: bool = False

    def is_single(self, alias: str) -> bool:
        return True

    @staticmethod
    def apply(alias: str, operations: list[LoadGrants]) -> list[Grants]:
        found = load_grants([(op.principal, op.wanted) for op in operations], alias)
        return [found[op.principal] for op in operations]


@dataclass(slots=True, kw_only=True)
class Expire:
    """Open approvals whose time is over: denied, with that reason. Gives them as they are now."""

    rank: ClassVar[int] = 2
    run: Run
    approval: Approval
    again: bool = False

    @staticmethod
    def apply(alias: str, operations: list[Expire]) -> list[Approval]:
        approvals = []
        for op in operations:
            now = timezone.now()
            Approval.objects.using(alias).filter(pk=op.approval.pk, status=Approval.Status.PENDING).update(
                status=Approval.Status.EXPIRED, decided_at=now
            )
            approvals.append(Approval.objects.using(alias).get(pk=op.approval.pk))
        return approvals
