"""The default dispatcher: workers claim from the table, one of them may live in this very process."""

from __future__ import annotations

import atexit
import os
import threading
from uuid import UUID

from retinue.conf import get_settings
from retinue.dispatcher import Dispatcher
from retinue.workers.worker import Worker


class WorkerDispatcher(Dispatcher):
    """Wakes the worker of this process; those of others look for themselves."""

    def dispatch(self, execution_id: UUID, queue: str) -> None:
        embedded.wake()


class EmbeddedWorker:
    """At most one worker in a server process, on its engine's loop."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        with self._lock:
            if self._worker is not None and self._pid == os.getpid():
                return
            self._worker = Worker(concurrency=get_settings().concurrency, embedded=True)
            self._pid = os.getpid()
            self._worker.start()
            atexit.register(self.stop)

    def stop(self) -> None:
        """Hand back what runs, as a server that stops should."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None and self._pid == os.getpid():
            worker.stop()

    def wake(self) -> None:
        if self._worker is not None and self._pid == os.getpid():
            self._worker.wake()


embedded = EmbeddedWorker()
