"""What is done to an execution from outside its run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import Case, Count, F, Q, Sum, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from retinue.conf import get_settings
from retinue.errors import IllegalTransition
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.executions.states import OPEN, EventKind, Status, StepKind
from retinue.executions.streamed import close_stream
from retinue.signals import execution_finished
from retinue.storable import storable

AMOUNTS = ("cost", "charge")

at_end: list[Callable[[str, UUID], None]] = []
"""What else ends with a run that is ended from outside, in the same transaction: `(alias, root id)`."""


def cancel(execution: AgentExecution) -> bool:
    """Cancel an execution for good, from any process. Returns whether it was still open.

    The final state stands with the commit: whatever its threads still do, nothing of it commits any more.
    """
    return _end(execution, Status.CANCELLED, error_code="cancelled", error_message="The run was cancelled.")


def fail(execution: AgentExecution, code: str, message: str) -> bool:
    """Have an execution fail from outside its run. Returns whether it was still open."""
    return _end(execution, Status.FAILED, error_code=code, error_message=message)


def complete(execution: AgentExecution, output: Any) -> bool:
    """Have an execution complete from outside its run, with this output. Returns whether it was running.

    Raises IllegalTransition for a delegated run: what it gives is for the run that waits for it.
    """
    if execution.parent_id is not None:
        raise IllegalTransition(_("A delegated run cannot be completed from outside."))
    return _end(execution, Status.COMPLETED, among=[Status.RUNNING], output_data=storable(output))


def _end(execution: AgentExecution, status: Status, among: Collection[Status] = OPEN, **values: Any) -> bool:
    now, alias = timezone.now(), get_settings().database
    rows = AgentExecution.objects.using(alias)
    final = {"status": status, "completed_at": now, "lease_expires": None}
    worked = _worked(alias, execution.root_id, now)
    with transaction.atomic(using=alias):
        ended = rows.filter(pk=execution.root_id, status__in=among).update(
            **final, **values, execution_time=worked, lease_token=None
        )
        if ended:
            _sum_up(alias, execution.root_id, **final)
            close_questions(alias, execution.root_id, now)
            for close in at_end:
                close(alias, execution.root_id)
            close_stream(alias, execution.root_id)
    if ended:
        root = rows.get(pk=execution.root_id)
        transaction.on_commit(lambda: execution_finished.send_robust(AgentExecution, execution=root), using=alias)
    return bool(ended)


def _worked(alias: str, root_id: UUID, now: datetime) -> Case:
    """The seconds of work until now: of a run that is at work, with those since it was taken up.

    A run without a stream says nowhere when it was taken up after a wait: then what was known before that stays. Where
    its process died, nobody worked any more once the lease was over.
    """
    told = ExecutionEvent.objects.filter(execution=root_id, kind=EventKind.STATE).order_by("-epoch", "-seq")
    rows = AgentExecution.objects.using(alias).filter(pk=root_id)
    first = Case(When(execution_time=0, then=F("started_at")))
    found = rows.values_list(Coalesce(told.values("created_at")[:1], first), "lease_expires").first()
    begun, expires = found or (None, None)
    seconds = 0.0 if begun is None else max(0.0, (min(now, expires or now) - begun).total_seconds())
    return Case(When(status=Status.RUNNING, then=F("execution_time") + seconds), default=F("execution_time"))


def _sum_up(alias: str, root_id: UUID, **final: Any) -> None:
    """End what hangs on a root, and write what the root and each of those had used on record until now."""
    family = AgentExecution.objects.using(alias).filter(root_id=root_id)
    for row in family.filter(Q(parent=None) | Q(status__in=OPEN)):
        requests = ExecutionStep.objects.using(alias).filter(execution__root=root_id, kind=StepKind.MODEL)
        if row.path:
            requests = requests.filter(Q(execution=row.pk) | Q(execution__path__startswith=f"{row.path}/"))
        found = requests.order_by().aggregate(
            asked=Count("pk"),
            tokens=Sum(F("input_tokens") + F("output_tokens"), default=0),
            **{f"{name}_known": Count(name) for name in AMOUNTS},
            **{f"{name}_sum": Sum(name) for name in AMOUNTS},
        )
        # Where the price of one of them is unknown, so is the sum.
        amounts = {name: found[f"{name}_sum"] if found[f"{name}_known"] == found["asked"] else None for name in AMOUNTS}
        family.filter(pk=row.pk).update(tokens_used=found["tokens"], **amounts, **(final if row.path else {}))


def close_questions(alias: str, root_id: UUID, now: datetime) -> None:
    """Approvals of a run that has ended are not open any more."""
    approvals = apps.get_model("retinue", "Approval")._default_manager.using(alias)
    approvals.filter(execution__root=root_id, status="pending").update(status="expired", decided_at=now)
