"""What a run asks of the database between its steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from django.utils import timezone

from retinue.approvals.models import Approval
from retinue.conf import get_settings
from retinue.executions.models import AgentExecution
from retinue.runtime.grants import Grants, load_grants
from retinue.runtime.journal.statements.leases import hold
from retinue.runtime.journal.writer import lost
from retinue.runtime.run import Run
from retinue.types import Principal


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
