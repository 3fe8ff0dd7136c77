"""What a worker looks after beside its own runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from retinue.conf import get_settings
from retinue.executions.events import prune_events
from retinue.executions.lifecycle import fail
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.runtime.journal.claim import Claim
from retinue.sessions.lifecycle import deactivate_idle

logger = logging.getLogger("retinue.worker")


TABLE = AgentExecution._meta.db_table
QUEUED = (
    f"SELECT 1 FROM {TABLE} q WHERE q.status = 'queued' AND q.parent_id IS NULL"  # noqa: S608 (a name of our own)
    " AND (q.run_after IS NULL OR q.run_after <= %s)"
    # As the claim has it: what waits for its turn in a session may wait for long.
    " AND (q.session_id IS NULL OR q.started_at IS NOT NULL OR NOT EXISTS"
    f" (SELECT 1 FROM {TABLE} o WHERE o.session_id = q.session_id AND o.parent_id IS NULL"
    " AND o.status IN ('queued', 'running', 'waiting')"
    " AND (o.started_at IS NOT NULL OR (o.created_at, o.id) < (q.created_at, q.id))))"
)


def has_queued(alias: str, queues: Sequence[str], agents: Sequence[str]) -> bool:
    """Whether these agents have anything to claim in these queues (none given: in all).

    One cheap read, so that an idle worker costs next to nothing.
    """
    statement = QUEUED
    for column, among in (("queue", queues), ("agent_name", agents)):
        if among:
            statement += f" AND q.{column} IN ({', '.join(['%s'] * len(among))})"
    now = connections[alias].ops.adapt_datetimefield_value(timezone.now())
    with connections[alias].cursor() as cursor:
        cursor.execute(f"{statement} LIMIT 1", [now, *queues, *agents])
        return cursor.fetchone() is not None


def has_starving(alias: str, queues: Sequence[str], agents: Sequence[str], seconds: float) -> bool:
    """Whether one of these that is to run alone has waited for so long: since its lease ran out, or it was made."""
    then = timezone.now() - timedelta(seconds=seconds)
    alone = (Claim(queues=queues, agents=agents, alone=True, expired=expired) for expired in (True, False))
    return any(claim.candidates(alias, then).filter(created_at__lt=then).exists() for claim in alone)


def tidy(alias: str) -> None:
    """What is to be done about hourly, by whichever worker: nothing goes wrong where it is done late, or not."""
    before = timezone.now() - timedelta(days=get_settings().event_days)
    for job in (deactivate_idle, lambda alias: prune_events(alias, before)):
        try:
            job(alias)
        except Exception:  # a worker has more to do
            logger.exception("A worker could not tidy up; it tries again later.")


def fail_hopeless(alias: str, mine: Callable[[], Collection[UUID]] = list) -> int:
    """Fail orphans that took their process down too often, or that nobody is to resume. `mine()` are alive: here."""
    settings = get_settings()
    orphans = AgentExecution.objects.using(alias).filter(
        parent=None, status=Status.RUNNING, lease_expires__lt=timezone.now()
    )
    failed = 0
    for execution in orphans.filter(attempts__gte=settings.max_attempts - 1).exclude(pk__in=mine()):
        message = f"The process that ran it died {execution.attempts + 1} times in a row without a recorded result."
        failed += fail_orphan(orphans, execution, "max_attempts", message)
    if settings.orphans == "fail":
        for execution in orphans.filter(attached=True).exclude(pk__in=mine()):
            failed += fail_orphan(orphans, execution, "orphaned", "The process that ran it died.")
    return failed


def fail_orphan(orphans: QuerySet[AgentExecution], execution: AgentExecution, code: str, message: str) -> bool:
    """Fail it if it still is an orphan. Where somebody has its row locked, that is for the next sweep to see."""
    with transaction.atomic(using=orphans.db):
        same = orphans.filter(pk=execution.pk, lease_token=execution.lease_token)
        if same.select_for_update(skip_locked=True, no_key=True).first() is None:
            return False
        return fail(execution, code, message)
