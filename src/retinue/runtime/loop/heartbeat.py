"""Looks after the leases of a process, from a thread of its own, and only while the loop still turns."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from retinue.conf import get_settings
from retinue.runtime.journal.statements.leases import lost_leases, renew_leases

if TYPE_CHECKING:
    from retinue.runtime.loop.engine import Engine
    from retinue.runtime.run import Run

logger = logging.getLogger("retinue.heartbeat")


class Heartbeat(threading.Thread):
    """Renews leases when due, and stops runs that were cancelled or taken over."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="retinue-heartbeat", daemon=True)
        self._engine = engine
        self._stopped = threading.Event()
        self._renewed = 0.0
        self._away = False

    def stop(self) -> None:
        self._stopped.set()
        self.join(timeout=5)

    def run(self) -> None:
        try:
            while not self._stopped.wait(get_settings().heartbeat_seconds):
                self._beat_safely()
        finally:
            connections.close_all()

    def _beat_safely(self) -> None:
        runs = self._engine.leased()
        lease = get_settings().lease_seconds
        if not runs or self._engine.stalled_for() > lease / 2:
            return  # a loop that hangs must lose its leases
        try:
            self._beat(runs, lease)
        except (DatabaseError, InterfaceError) as error:
            if not self._away:
                logger.warning("The leases could not be renewed (%s); trying again.", type(error).__name__)
            self._away = True
            connections[self._engine.alias].close()
        else:
            self._away = False

    def _beat(self, runs: list[Run], lease: float) -> None:
        lost = lost_leases(self._engine.alias, [run.lease for run in runs])
        for run in runs:
            if run.id in lost and not run.lost and self._engine.holds(run):
                self._engine.lose(run)
        if time.monotonic() - self._renewed >= lease / 4 or self._engine.has_new_leases():
            began = time.monotonic()
            renewed = renew_leases(
                self._engine.alias,
                sorted(run.lease for run in runs),
                timezone.now() + timedelta(seconds=lease),
            )
            for run in runs:
                if run.id in renewed:
                    run.lease_until = began + lease
            # What was being written to just now is renewed at the next beat.
            self._renewed = began if len(renewed) == len(runs) else 0.0
