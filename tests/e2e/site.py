"""A site as it runs: a web server and workers in processes of their own, on the test's database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.script import Script
from tests.priced import PRICES
from tests.processes.nursery import Nursery, WorkerProcess
from tests.processes.server import Address

RETINUE: dict[str, Any] = {
    "ASSISTANT": "helper",
    "EMBEDDED_WORKER": False,
    "PRICES": PRICES,
    "POLL_SECONDS": 0.02,
    # A worker keeps what it has, however slow the machine is.
    "LEASE_SECONDS": 600.0,
    "TOOL_TRANSACTION_SECONDS": 100.0,
}
SHORT = {"LEASE_SECONDS": 3.0, "HEARTBEAT_SECONDS": 0.2, "TOOL_TRANSACTION_SECONDS": 0.9}
"""For workers whose end is to be noticed soon."""


@dataclass(frozen=True)
class Served:
    """A project's settings, the module of its tests' agents, and what its `RETINUE` says beside what it always says."""

    settings: str
    agents: str
    retinue: dict[str, Any] = field(default_factory=dict)


class Site:
    """Its processes, and the script of its model."""

    def __init__(self, nursery: Nursery, folder: Path, **retinue: Any) -> None:
        self.script = Script(folder)
        self._nursery = nursery
        self._folder = folder
        self._file = folder / "workers.log"
        self._retinue = {**RETINUE, **retinue}
        self._address = Address()
        self._processes: list[WorkerProcess] = []
        self.server: WorkerProcess
        """The last one that was started; so is `worker`."""
        self.worker: WorkerProcess
        self.start_server()
        self.start_worker()

    @property
    def url(self) -> str:
        return self._address.url

    def start_server(self) -> WorkerProcess:
        """Start the web server, always at the same address; come back when it listens."""
        self.server = self._start(port=self._address.port)
        self._address.until_answered()
        return self.server

    def start_worker(self, **retinue: Any) -> WorkerProcess:
        """Start one more worker."""
        self.worker = self._start(sweep=0.2, **retinue)
        return self.worker

    def close(self) -> None:
        """End every process, before the rows go that they work on."""
        for process in self._processes:
            process.kill()
        self._address.close()

    def log(self) -> str:
        """What the processes had to complain of."""
        return self._file.read_text() if self._file.exists() else ""

    def forgive(self) -> None:
        """Forget what was complained of: the test made it."""
        self._file.write_text("")

    def _start(self, port: int = 0, sweep: float | None = None, **retinue: Any) -> WorkerProcess:
        process = self._nursery.start(
            folder=str(self._folder), retinue={**self._retinue, **retinue}, port=port, sweep=sweep
        )
        self._processes.append(process)
        return process
