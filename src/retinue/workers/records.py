"""A worker's row: what says that it is alive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from retinue.conf import get_settings
from retinue.executions.models import Worker
from retinue.types import time_ordered_uuid

EVERY_SECONDS = 5.0
ALIVE_SECONDS = 15.0
"""A worker that was not seen for so long counts as gone."""
FORGET_SECONDS = 24 * 3600.0


class WorkerRecord:
    """Keeps one row up to date, by itself or anew if it was swept away."""

    def __init__(self, name: str, embedded: bool, queues: Sequence[str], concurrency: int) -> None:
        self._id = time_ordered_uuid()
        self._started = timezone.now()
        self._values = {
            "name": name,
            "embedded": embedded,
            "queues": list(queues),
            "concurrency": concurrency,
            "started_at": self._started,
        }
        self._written = self._started

    def appear(self) -> None:
        """Write the row, and forget those of workers that are long gone."""
        rows = Worker.objects.using(get_settings().database)
        now = timezone.now()
        rows.filter(seen_at__lt=now - timedelta(seconds=FORGET_SECONDS)).delete()
        rows.update_or_create(id=self._id, defaults={**self._values, "seen_at": now})

    @property
    def is_due(self) -> bool:
        """Whether it was last seen a few seconds ago."""
        return (timezone.now() - self._written).total_seconds() >= EVERY_SECONDS

    def seen(self, active: int) -> None:
        """Say that it is alive, and how busy."""
        now = self._written = timezone.now()
        rows = Worker.objects.using(get_settings().database).filter(id=self._id)
        if not rows.update(seen_at=now, active=active):
            self.appear()

    def disappear(self) -> None:
        Worker.objects.using(get_settings().database).filter(id=self._id).delete()
