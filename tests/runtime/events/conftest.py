"""Runs that tell something, here and in other processes, and those who watch them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.testing import run_queued
from tests import servers
from tests.processes.nursery import Nursery, WorkerProcess
from tests.reader import Reader, Watching
from tests.runtime.events import agents
from tests.waiting import WAIT_SECONDS, until

WORKER = {
    "LEASE_SECONDS": 1.5,
    "HEARTBEAT_SECONDS": 0.2,
    "POLL_SECONDS": 0.02,
    "GRACE_SECONDS": 0.3,
    "TOOL_TRANSACTION_SECONDS": 5.0,
}


@pytest.fixture
def stage(transactional_db: None, user: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Where runs are told in this process."""
    monkeypatch.setenv("WITNESS_FOLDER", str(tmp_path))
    with registered(*agents.AGENTS):
        stage = Stage(user, tmp_path)
        yield stage
        stage.end()


class Stage:
    """Runs of this process and what is watched of them."""

    def __init__(self, user: Any, folder: Path) -> None:
        self.user = user
        self.folder = folder
        self._threads: list[threading.Thread] = []
        self._watching: list[Watching] = []

    def enqueue(self, prompt: str, agent: Any = agents.teller, **given: Any) -> AgentExecution:
        execution: AgentExecution = agent.enqueue(prompt, user=self.user, **{"stream": True, **given})
        return execution

    def play(self, prompt: str, agent: Any = agents.teller, **given: Any) -> AgentExecution:
        """A run, up to its end or to where it waits."""
        execution = self.enqueue(prompt, agent, **given)
        run_queued()
        execution.refresh_from_db()
        return execution

    def work(self) -> threading.Thread:
        """Run on another thread what is queued."""

        def work() -> None:
            try:
                run_queued()
            finally:
                connections.close_all()

        self._threads.append(thread := threading.Thread(target=work, daemon=True))
        thread.start()
        return thread

    def watch(self, execution: AgentExecution, reader: Reader | None = None, **options: Any) -> Watching:
        self._watching.append(watching := Watching(execution.pk, reader, **options))
        return watching

    def open(self, *gates: str) -> None:
        for gate in gates:
            (self.folder / gate).touch()

    def end(self) -> None:
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
        for watching in self._watching:
            if not watching.over:
                watching.leave()


@pytest.fixture(scope="session")
def nursery(django_db_setup: None) -> Iterator[Nursery]:
    started = Nursery(agents.__name__, environment=servers.environment(connection))
    yield started
    started.close()


@pytest.fixture
def elsewhere(nursery: Nursery, stage: Stage) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers, which go before the rows do."""
    workers: list[WorkerProcess] = []

    def start(trap: tuple[str, int, str] | None = None, **retinue: Any) -> WorkerProcess:
        worker = nursery.start(folder=str(stage.folder), retinue={**WORKER, **retinue}, trap=trap, sweep=0.2)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()


def stored(execution: AgentExecution) -> list[tuple[str, dict[str, Any]]]:
    """What is on record, in order; texts that follow each other as one."""
    found: list[tuple[str, dict[str, Any]]] = []
    for event in ExecutionEvent.objects.filter(execution=execution.pk).order_by("epoch", "seq"):
        kind, content = event.kind, event.content
        if kind in ("text", "thinking") and found and found[-1][0] == kind:
            last = found[-1][1]
            if last["step"] == content["step"] and last["offset"] + len(last["text"]) == content["offset"]:
                last["text"] += content["text"]
                continue
        found.append((kind, content))
    return found


def count(execution: AgentExecution) -> int:
    return ExecutionEvent.objects.filter(execution=execution.pk).count()


def until_stored(execution: AgentExecution, text: str) -> None:
    """Wait until this is on record as what was said."""
    from retinue.executions.transcript import text_so_far

    until(lambda: text_so_far("default", execution.pk) == text)
