"""`manage.py agent_worker`: a process that runs what is queued."""

from __future__ import annotations

import gc
import os
import signal
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connections

from retinue.conf import get_settings
from retinue.management.database import require_tables
from retinue.management.errors import in_one_sentence
from retinue.management.leaving import exit_promptly

LOOK_SECONDS = 1.0
"""How often the main thread looks whether the worker still turns, and for signals."""


class Command(BaseCommand):
    help = "Runs queued agents until it is told to stop (Ctrl-C or SIGTERM); a second signal ends it at once."
    requires_system_checks = []  # it makes its own, those of the agents included

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--concurrency", type=_positive, help="How many runs at once (RETINUE's CONCURRENCY).")
        parser.add_argument("--agents", type=_names, default=(), metavar="A,B", help="Only these agents.")
        parser.add_argument("--queues", type=_names, default=(), metavar="A,B", help="Only these queues.")

    def run_from_argv(self, argv: list[str]) -> None:
        super().run_from_argv(argv)
        exit_promptly(0)

    def handle(self, *args: Any, **options: Any) -> None:
        from retinue.runtime.loop.engine import close_engine
        from retinue.workers.worker import Worker

        with in_one_sentence():
            served = _load(options["agents"])
        self.check(tags=["retinue"], include_deployment_checks=True)
        _look_at_database()
        worker = Worker(
            concurrency=options["concurrency"] or get_settings().concurrency,
            agents=options["agents"],
            queues=options["queues"],
        )
        # What Django, pydantic-ai and the project are made of stays: the collector need not walk through it again.
        gc.collect()
        gc.freeze()
        with _signals() as signals:
            worker.start()
            self._tell(
                f"Worker {worker.name}: up to {worker.concurrency} runs at once, "
                f"queues: {', '.join(worker.queues) or 'all'}.\nAgents: {', '.join(served) or 'none'}."
            )
            self._wait(worker, signals)
            self._tell("Stopping; what runs is handed to other workers.")
            # The main thread looks up now and then: a signal that comes as it begins to wait is seen only afterwards.
            stopping = Thread(target=worker.stop, daemon=True)
            stopping.start()
            while stopping.is_alive():
                stopping.join(LOOK_SECONDS)
        close_engine()
        self._tell("Stopped.")

    def _wait(self, worker: Any, signals: SimpleQueue[int]) -> None:
        while True:
            try:
                signals.get(timeout=LOOK_SECONDS)
            except Empty:
                if (failure := worker.failure) is not None:
                    raise CommandError(f"The worker ended by itself: {failure!r}.") from failure
            else:
                return

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()  # who reads a pipe wants to know now


@contextmanager
def _signals() -> Iterator[SimpleQueue[int]]:
    """The first signal to stop is put into a queue (which is safe inside a handler), the second one exits."""
    received: SimpleQueue[int] = SimpleQueue()
    seen: list[int] = []

    def on_signal(number: int, frame: Any) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        received.put(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _load(wanted: tuple[str, ...]) -> list[str]:
    """Load the site's agents, as their code may fail, and give the names of those that are served."""
    from retinue.agents.registry import all_agents, get_agent

    every = list(all_agents())
    return [get_agent(name).name for name in wanted] if wanted else every


def _look_at_database() -> None:
    """Say that tables are missing. A database that is away is waited for, as it is later on."""
    connection = connections[get_settings().database]
    try:
        require_tables()
    except (DatabaseError, InterfaceError):
        return
    finally:
        if not connection.in_atomic_block:
            connection.close()  # this thread needs none while it waits


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)
