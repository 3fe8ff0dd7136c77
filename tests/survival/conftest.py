"""Worker processes for the tests, and what is seen of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connection, transaction

from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, ExecutionStep
from tests import servers
from tests.processes import witness
from tests.processes.nursery import Nursery, WorkerProcess
from tests.shop.models import Note
from tests.survival import agents
from tests.survival.agents import Gates
from tests.torture import agents as tortured
from tests.waiting import WAIT_SECONDS

SHORT = {
    "LEASE_SECONDS": 1.5,
    "HEARTBEAT_SECONDS": 0.2,
    "POLL_SECONDS": 0.02,
    "GRACE_SECONDS": 0.3,
    "TOOL_TRANSACTION_SECONDS": 5.0,
}
LONG = {"LEASE_SECONDS": 600.0, "TOOL_TRANSACTION_SECONDS": 600.0}
"""For a worker that is to keep what it has, however slow the machine is."""


@pytest.fixture(scope="session")
def nursery(django_db_setup: None) -> Iterator[Nursery]:
    servers.redis_url()  # for the cache that the workers share
    started = Nursery(agents.__name__, tortured.__name__, environment=servers.environment(connection))
    yield started
    started.close()


@pytest.fixture
def stage(nursery: Nursery, transactional_db: None, tmp_path: Path) -> Iterator[Stage]:
    """Where workers come on, and go before the rows do."""
    with registered(*agents.AGENTS, *tortured.AGENTS):
        stage = Stage(nursery, tmp_path)
        yield stage
        stage.clear()


class Stage:
    """Workers, and what can be seen of their runs."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self.nursery = nursery
        self.folder = folder
        self.gates = Gates(folder)
        self._workers: list[WorkerProcess] = []

    def start(
        self,
        trap: tuple[str, int, str] | None = None,
        concurrency: int = 100,
        sweep: float | None = 0.2,
        **retinue: Any,
    ) -> WorkerProcess:
        """A worker with short leases, unless told otherwise."""
        worker = self.nursery.start(
            folder=str(self.folder), retinue={**SHORT, **retinue}, trap=trap, concurrency=concurrency, sweep=sweep
        )
        self._workers.append(worker)
        return worker

    def freeze(self, worker: WorkerProcess) -> None:
        """Have it stand still, though not while it has SQLite's one write lock: nobody else could write then."""
        with transaction.atomic():
            worker.send("SIGSTOP")
            self.until(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED)

    def run(self, prompt: str, user: Any, **retinue: Any) -> WorkerProcess:
        """A process that runs the agent `subject` and waits for it, as a view does."""
        process = self.nursery.start(
            folder=str(self.folder), retinue={**SHORT, **retinue}, prompt=prompt, user=str(user.pk)
        )
        self._workers.append(process)
        return process

    def clear(self) -> None:
        for worker in self._workers:
            worker.kill()

    def until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """Wait until it holds; give what it gave."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, f"{seconds:g} s were not enough; the workers' log:\n{self.log()}"
            time.sleep(0.01)
        return result

    def until_asked(self, execution: AgentExecution, number: int, by: WorkerProcess | None = None) -> dict[str, Any]:
        """Wait until a model was asked for this answer (by that worker)."""

        def found() -> list[dict[str, Any]]:
            return [
                fact
                for fact in self.seen("asked", execution)
                if fact["number"] == number and (by is None or fact["pid"] == by.pid)
            ]

        facts: list[dict[str, Any]] = self.until(found)
        return facts[0]

    def until_seen(self, kind: str, execution: AgentExecution, times: int = 1) -> None:
        self.until(lambda: len(self.seen(kind, execution)) >= times)

    def until_status(self, status: str, *executions: AgentExecution) -> None:
        ids = [execution.pk for execution in executions]
        rows = AgentExecution.objects.filter(pk__in=ids, status=status)
        self.until(lambda: rows.count() == len(ids))

    def seen(self, kind: str, execution: AgentExecution | None = None) -> list[dict[str, Any]]:
        """What was witnessed of this kind (in this execution)."""
        facts = witness.noted(self.folder, kind)
        return [fact for fact in facts if execution is None or fact["execution"] == str(execution.pk)]

    def log(self) -> str:
        path = self.folder / "workers.log"
        return path.read_text() if path.exists() else ""


def rows_of(execution: AgentExecution) -> list[Any]:
    """Everything the database holds of an execution."""
    return [
        AgentExecution.objects.filter(pk=execution.pk).values().get(),
        *ExecutionStep.objects.filter(execution__root=execution.pk).order_by("pk").values_list("pk", "key", "kind"),
        *Note.objects.filter(execution=str(execution.pk)).order_by("pk").values_list(),
    ]


def notes_of(execution: AgentExecution) -> list[str]:
    return list(Note.objects.filter(execution=str(execution.pk)).order_by("pk").values_list("label", flat=True))
