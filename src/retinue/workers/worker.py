"""A worker: claims executions from the table and runs them on the process's engine."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from retinue.agents.registry import all_agents, get_agent
from retinue.budgets.accounts import release_expired
from retinue.conf import get_settings
from retinue.errors import BudgetExceeded, ExecutionError, UnknownAgent
from retinue.executions.states import Status
from retinue.runtime.calls import run_claimed
from retinue.runtime.journal.claim import Claim
from retinue.runtime.journal.ending import End
from retinue.runtime.journal.statements.endings import Ending
from retinue.runtime.loop.engine import Engine, get_engine
from retinue.runtime.run import Run
from retinue.workers.records import WorkerRecord
from retinue.workers.sweep import fail_hopeless, has_queued, has_starving, tidy

logger = logging.getLogger("retinue.worker")

SWEEP_SECONDS = 1.0
HOLD_SWEEP_SECONDS = 60.0
"""How often a worker looks for holds that the site's own code forgot."""
TIDY_SECONDS = 3600.0
"""How often a worker closes idle sessions and forgets old events."""
STARVING_SECONDS = 30.0
"""How long an execution that is to run alone waits for an idle worker before workers make room for it."""
LOOK_SECONDS = 5.0
"""How often a worker looks for such executions."""
ROOM_SECONDS = 60.0
"""How long a worker claims nothing to make room; then it works for as long before it tries again."""


class Worker:
    """Runs up to `concurrency` executions of the given agents and queues (none given: of all) at once."""

    def __init__(
        self,
        *,
        concurrency: int,
        agents: Sequence[str] = (),
        queues: Sequence[str] = (),
        embedded: bool = False,
    ) -> None:
        self.concurrency = concurrency
        self.agents = tuple(agents)
        self.queues = tuple(queues)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._engine: Engine = get_engine()
        self._record = WorkerRecord(self.name, embedded, self.queues, concurrency)
        self._stopping = False
        self._away = False
        self._released = -HOLD_SWEEP_SECONDS
        self._tidied = -TIDY_SECONDS
        self._tidying: asyncio.Task[Any] | None = None
        self._wake: asyncio.Event | None = None
        self._tasks: dict[asyncio.Task[Any], UUID] = {}
        self._alone: asyncio.Task[Any] | None = None
        self._held_since: float | None = None
        self._looked = 0.0
        self._done: Future[None] | None = None

    # Any thread

    def start(self) -> None:
        """Begin to claim."""
        self._done = self._engine.submit(self._work)

    def wake(self) -> None:
        """There may be new work."""
        if self._wake is not None:
            with suppress(RuntimeError):  # the loop may be closed by now
                self._engine.loop.call_soon_threadsafe(self._wake.set)

    def stop(self) -> None:
        """Claim nothing more; let steps in flight finish for a while; hand everything back."""
        self._stopping = True
        self.wake()
        grace = get_settings().grace_seconds
        self._engine.drain(grace)
        if self._done is not None:
            # A claim may have been under way: what it brings is handed back, too.
            with suppress(Exception):  # a database that is away must not keep the process
                self._done.result(timeout=5)
            self._engine.drain(grace)
        with suppress(Exception):
            self._engine.submit(lambda: self._keep(self._record.disappear)).result(timeout=5)

    @property
    def failure(self) -> BaseException | None:
        """What ended it though nobody stopped it."""
        if self._stopping or self._done is None or not self._done.done():
            return None
        return self._done.exception()

    # On the loop

    async def _work(self) -> None:
        self._wake = asyncio.Event()
        await self._keep(self._record.appear)
        swept = 0.0
        while not self._stopping:
            self._wake.clear()
            claimed = await self._claim_queued()
            if time.monotonic() - swept >= SWEEP_SECONDS and not self._away:
                swept = time.monotonic()
                claimed += await self._sweep()
            if not claimed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), get_settings().poll_seconds)

    @property
    def _free(self) -> int:
        return 0 if self._alone is not None or self._holds_back else self.concurrency - len(self._tasks)

    @property
    def _holds_back(self) -> bool:
        return self._held_since is not None and time.monotonic() - self._held_since < ROOM_SECONDS

    async def _claim_queued(self) -> int:
        agents = self._served
        if self._free <= 0 or not agents or not await self._keep(has_queued, self._engine.alias, self.queues, agents):
            return 0
        return await self._claim(Claim(limit=self._free, queues=self.queues, agents=agents))

    @property
    def _served(self) -> tuple[str, ...]:
        """The agents to run. Those that this code does not know are left to workers that have newer code."""
        return self.agents or tuple(all_agents())

    async def _sweep(self) -> int:
        """What is due, what was orphaned, and what took its process down before."""
        if self._stopping:
            return 0
        if self._record.is_due:
            await self._keep(self._record.seen, len(self._tasks))
        await self._keep(fail_hopeless, self._engine.alias, self._mine)
        if time.monotonic() - self._released >= HOLD_SWEEP_SECONDS:
            self._released = time.monotonic()
            await self._keep(release_expired, self._engine.alias)
        if time.monotonic() - self._tidied >= TIDY_SECONDS:
            self._tidied = time.monotonic()
            # Beside the work: there may be much to forget.
            self._tidying = asyncio.get_running_loop().create_task(self._engine.bridge.call(tidy, self._engine.alias))
        claimed, agents = 0, self._served
        if not agents:
            return 0
        await self._make_room(agents)
        for kind in ({"due": True}, {"expired": True, "but": self._mine}):
            if self._free > 0:
                claimed += await self._claim(Claim(limit=self._free, queues=self.queues, agents=agents, **kind))
        if not claimed and self._engine.active == 0 and self._alone is None:
            for kind in ({}, {"expired": True}):
                alone = Claim(limit=1, queues=self.queues, agents=agents, alone=True, **kind)  # type: ignore[arg-type]
                if await self._claim(alone):
                    return 1
        return claimed

    def _mine(self) -> list[UUID]:
        """What runs in this process, or is about to. Any thread may ask."""
        return [*self._engine.active_ids(), *list(self._tasks.values())]

    async def _make_room(self, agents: Sequence[str]) -> None:
        """Claim nothing for a while, so as to become idle, where an execution that is to run alone waits too long.

        Not where others have runs on this process's engine: it would not become idle.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        possible = self._alone is None and self._engine.active <= len(self._tasks)
        if not possible or not await self._keep(
            has_starving, self._engine.alias, self.queues, agents, STARVING_SECONDS
        ):
            self._held_since = None
        elif self._held_since is None or now - self._held_since >= 2 * ROOM_SECONDS:
            self._held_since = now

    async def _claim(self, claim: Claim) -> int:
        runs = await self._journal(claim)
        for run in runs or ():
            run.draining = self._stopping  # it came too late: nothing of it starts
            task = asyncio.get_running_loop().create_task(self._run(run))
            self._tasks[task] = run.id
            task.add_done_callback(self._ended)
            if claim.alone:
                self._alone, self._held_since = task, None
        return len(runs or ())

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if self._alone is task:
            self._alone = None
        if self._wake is not None:
            self._wake.set()

    async def _run(self, run: Run) -> None:
        try:
            agent = get_agent(run.execution.agent_name)
        except UnknownAgent as error:
            await self._refuse(run, error)
            return
        try:
            await run_claimed(self._engine.bridge, run, agent)
        except (ExecutionError, BudgetExceeded):
            pass  # it is on record
        except (DatabaseError, InterfaceError):
            logger.warning("Execution %s could not be written down; its lease will lapse.", run.id)
        except Exception:  # one run must not end the worker
            logger.exception("Execution %s stopped", run.id)

    async def _refuse(self, run: Run, error: UnknownAgent) -> None:
        ending = Ending(
            execution_id=run.id,
            token=run.token,
            status=Status.FAILED,
            error_code=error.code,
            error_message=str(error),
            completed_at=timezone.now(),
        )
        await self._journal(End(run=run, ending=ending))

    async def _journal(self, operation: Any) -> Any:
        return await self._keep_awaiting(self._engine.bridge.journal.write(operation))

    async def _keep(self, fn: Any, *args: Any) -> Any:
        return await self._keep_awaiting(self._engine.bridge.call(fn, *args))

    async def _keep_awaiting(self, work: Any) -> Any:
        """The result, or None while the database is away: the worker waits, says so once, and goes on."""
        try:
            result = await work
        except (DatabaseError, InterfaceError) as error:
            if not self._away:
                logger.warning("The database is away (%s); waiting for it.", type(error).__name__)
            self._away = True
            await asyncio.sleep(1.0)
            return None
        if self._away:
            logger.warning("The database is back.")
            self._away = False
        return result
