"""Watchers of the tortured runs, and the web server between, which dies as the workers do."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse

from retinue.executions.events import read_events
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.executions.transcript import said
from tests.processes.nursery import WorkerProcess
from tests.processes.server import Address
from tests.reader import Reader, frames_of
from tests.waiting import WAIT_SECONDS

LATECOMERS = 0.3
"""How likely it is that a second one comes to watch a run, some time later."""
LATEST = 3.0
PATIENCE = (0.2, 6.0)
"""After how many seconds a watcher leaves, to come back at once."""
LONGEST_LIFE = 4.0
"""Seconds until the web server is killed."""


class Watcher(Reader):
    """A browser: whatever happens, it connects again and says what it had last."""

    def __init__(self, url: str, cookie: str, execution: AgentExecution, dice: random.Random, delay: float) -> None:
        super().__init__()
        self.execution = execution
        self.complaints: list[tuple[str, str]] = []
        self.connections = 0
        self._url, self._cookie, self._dice, self._delay = url, cookie, dice, delay
        self._told_to_leave = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)
        self._thread.start()

    @property
    def is_there(self) -> bool:
        return self._thread.is_alive()

    def leave(self) -> None:
        self._told_to_leave.set()
        self._thread.join(WAIT_SECONDS)

    def complain(self, kind: str, sentence: str) -> None:
        self.complaints.append((kind, f"{self.execution.input_prompt}: {sentence}"))

    def _follow(self) -> None:
        self._told_to_leave.wait(self._delay)
        while self.final is None and not self._told_to_leave.is_set():
            try:
                self._connect(time.monotonic() + self._dice.uniform(*PATIENCE))
            except (OSError, HTTPException):  # the server is away, or broke off
                self._told_to_leave.wait(0.05)

    def _connect(self, until: float) -> None:
        headers = {"Cookie": self._cookie} | ({"Last-Event-ID": str(self.last)} if self.last else {})
        with urlopen(Request(self._url, headers=headers), timeout=2.0) as response:  # noqa: S310 (our own server)
            self.connections += 1
            for frame in frames_of(response):
                self.take(frame.event, frame.content, frame.id)
                if self.final is not None or time.monotonic() > until or self._told_to_leave.is_set():
                    return


class Audience:
    """Everybody who watches. `start`: starts a process of the torture."""

    def __init__(self, start: Callable[..., WorkerProcess], user: Any, dice: random.Random) -> None:
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        self._cookie = f"{name}={client.cookies[name].value}"
        self._start, self._dice = start, dice
        self._address = Address()
        self._server: WorkerProcess | None = None
        self._until = 0.0
        self.servers = 0
        self.watchers: list[Watcher] = []

    def follow(self, execution: AgentExecution) -> None:
        """Have somebody watch a run, or two."""
        url = self._address.url + reverse("ai_assistant:execution_events", args=[execution.pk])
        delays = [0.0] + ([self._dice.uniform(0, LATEST)] if self._dice.random() < LATECOMERS else [])
        for delay in delays:
            dice = random.Random(self._dice.random())
            self.watchers.append(Watcher(url, self._cookie, execution, dice, delay))

    @property
    def watching(self) -> bool:
        return any(watcher.is_there for watcher in self.watchers)

    def turn(self, killing: bool) -> None:
        """See to it that there is a server, and kill it when its time has come."""
        if self._server is None or not self._server.alive:
            # Every other one works, too: what it runs is watched in the process of the run.
            self._server = self._start(None, self._address.port, EMBEDDED_WORKER=self.servers % 2 == 1)
            self.servers += 1
            self._until = time.monotonic() + self._dice.uniform(0.5, LONGEST_LIFE)
        elif killing and time.monotonic() > self._until:
            self._server.send(self._dice.choice(["SIGKILL", "SIGKILL", "SIGTERM"]))
            self._until = time.monotonic() + 5.0

    def close(self) -> None:
        for watcher in self.watchers:
            watcher.leave()
        if self._server is not None:
            self._server.kill()
        self._address.close()
        connections.close_all()

    def complaints(self) -> Iterator[tuple[str, str]]:
        """What is wrong with what they were told: its kind, and a sentence."""
        for watcher in self.watchers:
            yield from watcher.complaints
            yield from self._compared(watcher)

    def _compared(self, watcher: Watcher) -> Iterator[tuple[str, str]]:
        prompt = watcher.execution.input_prompt
        execution = AgentExecution.objects.get(pk=watcher.execution.pk)
        events = read_events("default", execution.pk)
        missing = {event.id for event in events} - set(watcher.ids)
        for id in sorted(id for id in missing if id is not None):
            yield "missed", f"{prompt}: {id} never came"
        if watcher.final is None:
            yield "missed", f"{prompt}: the end never came"
        elif watcher.final["status"] != execution.status:
            yield "differing", f"{prompt} is {execution.status}; its watcher was told {watcher.final['status']}"
        if watcher.text != said(events):
            yield "differing", f"{prompt}: {watcher.text!r} was read, {said(events)!r} is stored"
        if execution.status == Status.COMPLETED and watcher.text.rpartition("\n\n")[2] != execution.answer:
            yield "differing", f"{prompt}: {watcher.text!r} was read, {execution.answer!r} is the answer"
