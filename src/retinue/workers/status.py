"""How the work stands: what is queued, who is there to do it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution, Worker
from retinue.executions.states import OPEN, Status
from retinue.workers.records import ALIVE_SECONDS

LATE_SECONDS = 60.0
"""Work that is queued for longer, while no worker is alive, is a problem."""


def look_at_queue() -> dict[str, Any]:
    """What is open, and for how long the oldest has been waiting for a worker."""
    rows, now = AgentExecution.objects.using(get_settings().database).roots(), timezone.now()
    counts = dict(rows.filter(status__in=OPEN).order_by().values_list("status").annotate(Count("pk")))
    due = rows.filter(Q(run_after=None) | Q(run_after__lte=now), status=Status.QUEUED)
    oldest = due.aggregate(since=Min(Coalesce("run_after", "created_at")))["since"]
    return {
        **{str(status): counts.get(status, 0) for status in (Status.QUEUED, Status.RUNNING, Status.WAITING)},
        "oldest_queued_seconds": None if oldest is None else round((now - oldest).total_seconds(), 1),
    }


def alive_workers() -> list[dict[str, Any]]:
    """Those that were seen lately, and how much each of them does."""
    since = timezone.now() - timedelta(seconds=ALIVE_SECONDS)
    rows = Worker.objects.using(get_settings().database).filter(seen_at__gte=since).order_by("started_at")
    return [
        {
            "name": worker.name,
            "embedded": worker.embedded,
            "queues": worker.queues,
            "active": worker.active,
            "concurrency": worker.concurrency,
            "started_at": worker.started_at.isoformat(),
            "seen_at": worker.seen_at.isoformat(),
        }
        for worker in rows
    ]


def is_late(queue: dict[str, Any], workers: list[dict[str, Any]]) -> bool:
    """Whether work has been queued for long and nobody is there to do it."""
    oldest = queue["oldest_queued_seconds"]
    return not workers and oldest is not None and oldest > LATE_SECONDS
