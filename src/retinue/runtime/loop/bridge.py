"""The one way from the loop to the database: whole transactions, on bounded threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections

from retinue.conf import get_settings
from retinue.runtime.journal.writer import Journal
from retinue.runtime.loop.lanes import CallerThread, Lane, LanePool, RoundRobin, Threads
from retinue.runtime.steps.transaction import ToolThreads

T = TypeVar("T")
SYNC_THREADS = 16
ORM_LANES = 4
CLOSE_SECONDS = 5.0


class Bridge:
    """Lanes for transactional tools, the journal's writer, and threads for everything else."""

    def __init__(self, caller: CallerThread | None = None) -> None:
        settings = get_settings()
        self.alias = settings.database
        self.caller = caller
        # SQLite has one writer: tools and journal share its lane instead of waiting for each other's lock.
        self._shares = caller is not None or connections[self.alias].vendor == "sqlite"
        size = 1 if self._shares else settings.tool_threads
        self.tools = LanePool((lambda: caller) if caller else Lane, size)
        self._writer = None if self._shares else Lane("retinue-journal")
        self._threads: Any = caller or Threads(SYNC_THREADS, "retinue-sync")
        self._orm = None if caller else RoundRobin(ORM_LANES)
        self.executor = ToolThreads(self._threads)
        self.journal = Journal(self.alias, self.submit)

    def submit(self, fn: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run a function on the writer's lane."""
        if self._writer is not None:
            return self._writer.call(fn, *args)
        lane = self.tools.acquire_nowait()
        if lane is None:
            return asyncio.ensure_future(self._on_shared_lane(fn, *args))
        future: asyncio.Future[T] = lane.call(fn, *args)
        future.add_done_callback(lambda _: self.tools.release(lane))
        return future

    async def _on_shared_lane(self, fn: Callable[..., T], *args: Any) -> T:
        lane = await self.tools.acquire()
        try:
            result: T = await lane.call(fn, *args)
            return result
        finally:
            self.tools.release(lane)

    async def call(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a function that reads, or a whole transaction, off the loop."""
        result: T = await self._threads.call(fn, *args)
        return result

    def orm_lane(self) -> Any:
        """The thread for the ORM calls of an async function, which must stay on one."""
        return self.caller or self._orm.one()  # type: ignore[union-attr]

    def close(self) -> None:
        """End the threads and close their connections. One that is stuck in somebody's code is left behind."""
        deadline = time.monotonic() + CLOSE_SECONDS
        parts = [part for part in (self.tools, self._writer, self._threads, self._orm) if part is not None]
        for part in parts:
            part.close()
        # A thread that is still inside a database driver when the interpreter goes takes the process down with it.
        for part in parts:
            part.join(deadline)
