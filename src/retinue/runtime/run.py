"""An execution while this process runs it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone
from pydantic_ai.exceptions import CallDeferred

from retinue.executions.models import AgentExecution
from retinue.executions.streamed import Streamed
from retinue.runtime.purse import Purse
from retinue.types import Principal

if TYPE_CHECKING:
    from retinue.approvals.models import Approval
    from retinue.runtime.agent import DjangoAgent
    from retinue.runtime.events.recorder import Recorder
    from retinue.runtime.grants import Grants
    from retinue.runtime.loop.bridge import Bridge
    from retinue.runtime.response_cache import Question
    from retinue.runtime.steps.transaction import ToolTransaction


class LeaseLost(BaseException):
    """Another worker holds the execution now, or it is final: nothing of this run may be written any more.

    Not an Exception, so that no tool catches it.
    """


class HandedBack(BaseException):
    """The worker stops: the execution goes back to the queue."""


class Parked(CallDeferred):
    """The run waits for a person. A CallDeferred, so that a parked child defers its parent's call, too."""

    MARK = "retinue_parked"

    def __init__(self) -> None:
        super().__init__({self.MARK: True})


@dataclass(slots=True)
class Recorded:
    """A step as a replay needs it."""

    digest: bytes
    payload: bytes | None


@dataclass(slots=True)
class Spending:
    """What one model request used, and under which path."""

    path: str
    tokens: int
    cost: Decimal | None
    charge: Decimal | None = None


@dataclass(eq=False, kw_only=True)
class Run:
    """A root execution that this process holds the lease of."""

    execution: AgentExecution
    token: UUID
    principal: Principal
    grants: Grants
    wanted: tuple[str, ...] = ()
    purse: Purse = field(default_factory=Purse)
    steps: dict[tuple[UUID, str], Recorded] = field(default_factory=dict)
    children: dict[str, AgentExecution] = field(default_factory=dict)
    approvals: dict[tuple[UUID, str], Approval] = field(default_factory=dict)
    spendings: list[Spending] = field(default_factory=list)
    attempts: int = 0
    streamed: Streamed = field(default_factory=Streamed)

    bridge: Bridge = field(init=False)
    started: float = field(default_factory=time.monotonic)
    lease_until: float = field(init=False)
    """Until when, on this process's monotonic clock, the lease is surely ours."""
    task: asyncio.Task[Any] | None = None
    recorder: Recorder | None = None
    """Where the run is streamed."""
    live: bool = False
    lost: bool = False
    ending: bool = False
    """Its end is being written: nothing is to be stopped any more."""
    cut: bool = False
    """The worker stops and did not wait for what was still open."""
    grants_fresh: bool = True
    in_flight: int = 0
    draining: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    transactions: set[ToolTransaction] = field(default_factory=set)
    questions: list[Approval] = field(default_factory=list)
    parked_paths: list[str] = field(default_factory=list)
    acted: bool = False
    """A tool was called that may do something to the world."""
    wake_at: datetime | None = None
    inherited: dict[str, Any] = field(default_factory=dict)
    """What the hooks of `RETINUE["CONTEXT"]` captured."""

    def __post_init__(self) -> None:
        expires = self.execution.lease_expires
        assert expires is not None
        self.lease_until = self.started + (expires - timezone.now()).total_seconds()

    @property
    def id(self) -> UUID:
        return self.execution.id

    @property
    def lease(self) -> tuple[UUID, UUID]:
        """By what the database knows that the execution is ours."""
        return self.id, self.token

    def elapsed(self) -> float:
        """Seconds of work so far, those before earlier waits included."""
        return self.execution.execution_time + (time.monotonic() - self.started)

    def spent_under(self, path: str) -> list[Spending]:
        """By the execution at this path and those below it; by all of the run where it is empty."""
        return [s for s in self.spendings if not path or s.path == path or s.path.startswith(f"{path}/")]

    def used(self, path: str) -> dict[str, Any]:
        """Tokens, cost and charge of everything under a path; None where anything of it is unknown."""
        mine = self.spent_under(path)
        return {
            "tokens_used": sum(s.tokens for s in mine),
            "cost": total([s.cost for s in mine]),
            "charge": total([s.charge for s in mine]),
        }


def total(amounts: list[Decimal | None]) -> Decimal | None:
    """The sum; None where there is nothing, or where one of them is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None


@dataclass(eq=False, kw_only=True)
class Frame:
    """One execution of a run's tree: the root, or a child, with counters for the places in it."""

    run: Run
    agent: DjangoAgent[Any, Any]
    execution_id: UUID
    path: str = ""
    depth: int = 0
    max_cost: Decimal | None = None
    max_credits: Decimal | None = None
    seen: Counter[str] = field(default_factory=Counter)
    deps: Any = None
    pending: asyncio.Future[Any] | None = None
    question: Question | None = None
    """Where the agent has its answers cached."""

    def place(self, base: str) -> str:
        """The key of the next unit at this place."""
        number = self.seen[base]
        self.seen[base] += 1
        return base if number == 0 else f"{base}#{number}"


@dataclass(frozen=True, slots=True)
class Call:
    """The tool call that runs now."""

    key: str
    tool_name: str
    effects: str


current_frame: ContextVar[Frame | None] = ContextVar("retinue_frame", default=None)
current_call: ContextVar[Call | None] = ContextVar("retinue_call", default=None)
