"""Keeps workers busy and kills them, until enough have died; then lets the rest finish, and watches them all along."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retinue.approvals import decisions
from retinue.approvals.models import Approval
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution
from retinue.runtime import points
from tests.processes.nursery import Nursery, WorkerProcess
from tests.torture import money
from tests.torture.agents import victim
from tests.torture.audience import Audience
from tests.torture.checks import Report, check, rows_of
from tests.torture.script import CHANGED, DENIAL, ROOTS, decision, second_try

RETINUE = {
    "LEASE_SECONDS": 1.5,
    "HEARTBEAT_SECONDS": 0.2,
    "POLL_SECONDS": 0.02,
    "GRACE_SECONDS": 0.1,
    "TOOL_TRANSACTION_SECONDS": 5.0,  # a machine under load must not make tools fail
    "MAX_ATTEMPTS": 30_000,  # chance may hit one execution again and again
    **money.RETINUE,
}
WORKERS = 3
OPEN_RUNS = 12
RANDOM = "random"
CANCELS = 0.15
"""How many runs are cancelled for each that is begun."""
LONGEST_LIFE = 1.2
"""Seconds until a worker dies at a random instant."""
FREEZE = (1.0, 4.0)
"""For how many seconds a worker stands still: past its lease, as a rule."""
TRAP_PATIENCE = 6.0
"""Seconds after which a worker whose point is not reached dies anyway."""
END_SECONDS = 600.0


@dataclass
class Victim:
    """A worker and how it is to end."""

    process: WorkerProcess
    way: str
    """A point's name, or "random"."""
    until: float
    struck: bool = False
    """The end came from outside."""


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    freezes: int = 0
    cancels: int = 0
    servers: int = 0
    watchers: int = 0
    connections: int = 0
    runs: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        ways = ", ".join(f"{way} {self.kills[way]}" for way in (RANDOM, *points.ALL))
        return (
            f"{self.kills.total()} kills ({ways}), {self.stops} stopped with SIGTERM, {self.freezes} frozen, "
            f"{self.runs} runs, {self.cancels} of them cancelled, {self.watchers} watchers connected "
            f"{self.connections} times to {self.servers} web servers, {self.seconds:.0f} s"
        )


class Tormentor:
    """One torture on the database of this process."""

    def __init__(self, nursery: Nursery, folder: Path, user: Any, dice: random.Random) -> None:
        self._nursery = nursery
        self._folder = folder
        self._user = user
        self._dice = dice
        self._victims: list[Victim] = []
        self._audience = Audience(self._start, user, dice)
        self.tally = Tally()
        self.roots: dict[str, str] = {}
        """The kind of each run by its label."""
        self.cancelled: dict[str, list[Any]] = {}
        """The runs that were cancelled, each with the rows that it had then."""
        self.frozen: set[int] = set()
        """The processes that stood still at some time."""

    def run(self, kills: int, say: Callable[[str], None] = lambda line: None) -> None:
        """Kill that often, at each point at least once, and wait until every execution has ended."""
        money.give_budgets(self._user)
        began = said = time.monotonic()
        while self.tally.kills.total() < kills or not self._has_everything():
            self._turn(killing=True)
            if time.monotonic() - said > 5:
                said = time.monotonic()
                say(f"{self.tally.kills.total()} kills, {len(self.roots)} runs")
        deadline = time.monotonic() + END_SECONDS
        while (self._open() or self._audience.watching) and time.monotonic() < deadline:
            self._turn(killing=False)
        for victim_ in self._victims:
            victim_.process.stop()
        self._audience.close()
        self.tally.runs, self.tally.seconds = len(self.roots), time.monotonic() - began
        self.tally.servers, self.tally.watchers = self._audience.servers, len(self._audience.watchers)
        self.tally.connections = sum(watcher.connections for watcher in self._audience.watchers)

    def _has_everything(self) -> bool:
        return all(self.tally.kills[point] for point in points.ALL)

    def _open(self) -> int:
        return AgentExecution.objects.roots().open().count()

    def _turn(self, killing: bool) -> None:
        self._bury()
        while len(self._victims) < WORKERS:
            self._victims.append(self._bear() if killing else self._bear_to_live())
        if killing:
            self._strike()
            for _ in range(OPEN_RUNS - self._open()):
                self._enqueue()
                if self._dice.random() < CANCELS:
                    self._cancel()
        self._decide()
        self._audience.turn(killing)
        time.sleep(0.02)

    def _bury(self) -> None:
        for dead in [v for v in self._victims if not v.process.alive]:
            self._victims.remove(dead)
            match dead.process.returncode:
                case -9:
                    self.tally.kills[RANDOM if dead.struck else dead.way] += 1
                case 0 | -15:  # told to stop, maybe before it had ears
                    self.tally.stops += 1
                case status:
                    raise RuntimeError(f"A worker ended with {status}; see workers.log.")

    def _bear(self) -> Victim:
        now = time.monotonic()
        if self._dice.random() < 0.5:
            return Victim(self._start(None), RANDOM, now + self._dice.uniform(0, LONGEST_LIFE))
        trapped = Counter(v.way for v in self._victims)
        point = min(points.ALL, key=lambda p: (self.tally.kills[p] + trapped[p], self._dice.random()))
        times = self._dice.randint(1, 12 if "commit" in point else 3)
        return Victim(self._start((point, times, "SIGKILL")), point, now + TRAP_PATIENCE)

    def _bear_to_live(self) -> Victim:
        return Victim(self._start(None), RANDOM, float("inf"))

    def _start(self, trap: tuple[str, int, str] | None, port: int = 0, **retinue: Any) -> WorkerProcess:
        return self._nursery.start(
            folder=str(self._folder),
            retinue={**RETINUE, **retinue},
            trap=trap,
            sweep=0.2,
            seed=self._dice.randrange(2**32),
            port=port,
        )

    def _strike(self) -> None:
        for victim_ in self._victims:
            now = time.monotonic()
            if victim_.struck or now < victim_.until:
                continue
            match self._dice.choices(["kill", "stop", "freeze"], [7, 1, 2])[0]:
                case "kill":
                    victim_.struck = True
                    victim_.process.send("SIGKILL")
                case "stop":
                    victim_.struck = True
                    victim_.process.send("SIGTERM")
                case _:
                    self.tally.freezes += 1
                    self.frozen.add(victim_.process.pid)
                    seconds = self._dice.uniform(*FREEZE)
                    victim_.until = now + seconds + self._dice.uniform(0, LONGEST_LIFE)
                    victim_.process.send("SIGSTOP")
                    # On a thread: on SQLite this one may wait for the very lock that the frozen process holds.
                    threading.Timer(seconds, victim_.process.send, ["SIGCONT"]).start()

    def _enqueue(self) -> None:
        label = f"r{len(self.roots)}"
        kind = ROOTS[len(self.roots) % len(ROOTS)]
        streamed = len(self.roots) % 4 > 0
        execution = victim.enqueue(f"{kind} {label}", user=self._user, stream=streamed)
        if streamed:
            self._audience.follow(execution)
        self.roots[label] = kind

    def _cancel(self) -> None:
        """Cancel a run, wherever it is; from then on it leaves no trace any more."""
        execution = AgentExecution.objects.roots().open().order_by("?").first()
        if execution is not None and cancel(execution):
            self.cancelled[execution.input_prompt.split(" ")[1]] = rows_of(execution)
            self.tally.cancels += 1

    def _decide(self) -> None:
        for approval in Approval.objects.pending().select_related("execution__root"):
            label = approval.arguments["label"]
            if approval.reason == Approval.Reason.UNCERTAIN:
                verdict = "approve" if second_try(label, approval.key) else "deny"
            else:
                verdict = decision(label)
            if verdict == "deny":
                decisions.deny(approval, by=self._user, note=DENIAL)
            else:
                changed = {"label": label + CHANGED} if verdict == "change" else None
                decisions.approve(approval, by=self._user, arguments=changed)

    def report(self) -> Report:
        """What is wrong, now that all have ended."""
        report = check(self.roots, self._folder, self.cancelled, self.frozen)
        for kind, sentence in self._audience.complaints():
            getattr(report, kind).append(sentence)
        return report
