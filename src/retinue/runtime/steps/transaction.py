"""A transactional tool: its body and its journal row, in one transaction on one lane."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from django.db import connections, transaction
from pydantic_ai import ToolFailed

from retinue.agents.policy import ToolPolicy
from retinue.conf import get_settings
from retinue.errors import ConfigurationError
from retinue.runtime import points
from retinue.runtime.context import call_restored
from retinue.runtime.grants import load_grants
from retinue.runtime.journal.statements.steps import StepRow, forget_attempts, insert_steps
from retinue.runtime.journal.writer import lost
from retinue.runtime.loop.lanes import CallerThread
from retinue.runtime.run import Run, current_frame

T = TypeVar("T")
OWN_ROLLBACK_SECONDS = 0.5
"""How long a body whose statement was interrupted may take to roll back itself."""
WRITES = ("insert", "update", "delete", "merge", "truncate", "replace")

current_transaction: ContextVar[ToolTransaction | None] = ContextVar("retinue_transaction", default=None)


class ToolTransaction:
    """Begun by the first function of the body on the lane; ended there by `commit` or `rollback`."""

    def __init__(
        self,
        run: Run,
        lane: Any,
        policy: ToolPolicy,
        tool_name: str,
        finish: Callable[[Any], tuple[bytes, StepRow]] | None = None,
    ) -> None:
        """`finish`: makes the journal row of what the body returns; with it the body's own hop commits."""
        self.run = run
        self.policy = policy
        self.tool_name = tool_name
        self.lane = lane
        self.alias = run.bridge.alias
        self._atomic: transaction.Atomic | None = None
        self._guards: list[Any] = []
        self._raw: Any = None
        self._statement = threading.Lock()
        """Held while a statement of a body on SQLite runs: two threads in one such connection crash the process."""
        self.payload: bytes | None = None
        """What was committed, when the body's own hop did."""
        self.closed = False
        self.timed_out = False
        self._finish = finish
        self._state = threading.Lock()
        self._committing = False
        self._busy = False
        """Whether the body's own thread is in it."""
        self._interrupted = False
        self._released = False
        self._ended = threading.Event()

    # On the loop

    async def within(self, body: Awaitable[T]) -> T:
        """Wait for the body, but not past the transaction's time."""
        try:
            async with asyncio.timeout(get_settings().tool_transaction_seconds) as limit:
                return await body
        except TimeoutError:
            if limit.expired() and self.payload is None:
                self.expire()
                raise TimeoutError(self.timeout_message()) from None
            raise

    async def settle(self) -> bytes | None:
        """Let nothing more be committed; give what was, if the commit had begun already."""
        with self._state:
            if not self._committing:
                self.closed = True
        if self._committing:
            await self.submit(_nothing)
        return self.payload

    def expire(self) -> None:
        """The transaction was open for too long: free its locks."""
        with self._state:
            if self._committing:
                return
            self.timed_out = self.closed = True
        self.stop()

    def stop(self) -> None:
        """Have it interrupted, without waiting for that."""
        with self._state:
            self.closed = self._interrupted = True
        threading.Thread(target=self.interrupt, daemon=True).start()

    def timeout_message(self) -> str:
        seconds = get_settings().tool_transaction_seconds
        return f"{self.tool_name} took longer than the {seconds:g} seconds that its transaction may; it was undone."

    async def undo(self) -> None:
        """Roll back, and give the lane back when that is done."""
        if self.timed_out or self._busy:
            self.abandon()
        else:
            await self.submit(self.rollback)
            self.release()

    def release(self) -> None:
        self._released = True
        tools = self.run.bridge.tools
        if self._interrupted and not isinstance(self.lane, CallerThread):
            tools.replace(self.lane)  # an interruption came as it committed: it may hit whoever is next on the lane
        else:
            tools.release(self.lane)

    def abandon(self) -> None:
        """Roll back without waiting. A lane whose thread may be stuck is replaced."""
        if self._released:
            return
        self._released = True
        if self._busy and not self._committing:
            self._interrupted = True  # its caller was cancelled, or told that its time is over
            self.stop()
        rolled_back = self.lane.submit(self.rollback)
        tools, lane = self.run.bridge.tools, self.lane
        if self._interrupted and not isinstance(lane, CallerThread):
            tools.replace(lane)
        else:
            loop = asyncio.get_running_loop()
            rolled_back.add_done_callback(lambda _: loop.call_soon_threadsafe(tools.release, lane))

    def submit(self, fn: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run a function on the lane; gives a future of the loop."""
        future: asyncio.Future[T] = self.lane.call(fn, *args)
        return future

    # On the lane

    def begin(self) -> None:
        if self.closed:
            raise lost(self.run.id)
        if self._atomic is None:
            self._atomic = transaction.atomic(using=self.alias, durable=not isinstance(self.lane, CallerThread))
            self._atomic.__enter__()
            connection = connections[self.alias]
            if connection.vendor == "sqlite" and not isinstance(self.lane, CallerThread):
                self._guard(self.alias, self._one_at_a_time)
            self._raw = connection.connection
            self._guard_others()
            self._check()

    def _check(self) -> None:
        """Ask in this very transaction whether the principal may still use the tool."""
        if self.policy.permission is not None:
            principal = self.run.principal
            self.run.grants = load_grants([(principal, self.run.wanted)], self.alias)[principal]
            self.run.grants_fresh = True
            if not self.run.grants.allows(self.policy.permission):
                raise refused(self.tool_name)

    def call(self, fn: Callable[..., T]) -> T:
        self._busy = True
        try:
            return self._call(fn)
        finally:
            self._busy = False

    def _call(self, fn: Callable[..., T]) -> T:
        self.begin()
        result = fn()
        if self._finish is not None:
            payload, row = self._finish(result)
            with self._state:
                if self.closed:
                    raise lost(self.run.id)
                self._committing = True
            self.commit([row])
            self.payload = payload
        return result

    def commit(self, rows: Sequence[StepRow]) -> None:
        """Write the journal rows under the lease's lock, and commit; without the lease, roll back."""
        try:
            self.begin()
            places = [(self.run.id, self.run.token, row) for row in rows]
            if len(insert_steps(self.alias, places)) != len(rows):
                raise lost(self.run.id)
            forget_attempts(self.alias, [self.run])
            points.reach(points.BEFORE_TOOL_COMMIT)
        except BaseException:  # whatever it was, the transaction ends with it
            self._end(*sys.exc_info())
            raise
        self._end(None, None, None)
        points.reach(points.AFTER_TOOL_COMMIT)

    def rollback(self) -> None:
        undone = lost(self.run.id)
        with suppress(Exception):
            self._end(type(undone), undone, None)

    def _end(self, *exc_info: Any) -> None:
        atomic, self._atomic, self._raw = self._atomic, None, None
        for guard in self._guards:
            guard.__exit__(None, None, None)
        self._guards = []
        if atomic is not None:
            with self._statement:
                try:
                    atomic.__exit__(*exc_info)
                finally:
                    self._ended.set()

    def _guard_others(self) -> None:
        for alias in connections:
            if alias != self.alias:
                self._guard(alias, _refuse_writes)

    def _guard(self, alias: str, wrapper: Callable[..., Any]) -> None:
        guard = connections[alias].execute_wrapper(wrapper)
        guard.__enter__()
        self._guards.append(guard)

    def _one_at_a_time(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with self._statement:
            if self.closed:
                raise lost(self.run.id)
            return execute(sql, params, many, context)

    # From any thread

    def interrupt(self) -> None:
        """Stop the statement that runs; on SQLite free the write lock, too."""
        with self._state:
            self.closed = self._interrupted = True
        raw = self._raw
        if raw is None or isinstance(self.lane, CallerThread):
            return
        if hasattr(raw, "cancel_safe"):
            with suppress(Exception):  # the body may end at this very moment
                raw.cancel_safe(timeout=1)
        else:
            self._raw = None  # once is enough
            threading.Thread(target=_undo_sqlite, args=[raw, self._statement, self._ended], daemon=True).start()


def _nothing() -> None:
    """What a lane does when one only waits for its turn."""


def _undo_sqlite(raw: Any, statement: threading.Lock, ended: threading.Event) -> None:
    """Undo a transaction from outside, and with it free the write lock.

    To close the connection is not enough: it keeps the lock for as long as anything holds one of its cursors.
    """
    interrupted = False
    with suppress(sqlite3.ProgrammingError):  # closed by its own thread meanwhile
        while not statement.acquire(timeout=0.01):
            raw.interrupt()  # again and again: one that has not begun yet does not notice
            interrupted = True
        statement.release()
        # The body's thread is on its way out with the error, closes its cursor, and rolls back itself. To roll back
        # beside it would break the heap; it is done for a body that swallows the error.
        if interrupted and ended.wait(OWN_ROLLBACK_SECONDS):
            return
        with statement:
            if not ended.is_set():
                _roll_back_sqlite(raw)


def _roll_back_sqlite(raw: Any) -> None:
    for _ in range(100):
        try:
            raw.execute("PRAGMA query_only = 1")  # what a cursor of its own still writes would commit by itself
            raw.rollback()
            return
        except sqlite3.OperationalError:  # interrupted, too, until all that ran has stopped
            time.sleep(0.01)


def refused(tool_name: str) -> ToolFailed:
    """What the model is told of a tool that its user may not use (any more)."""
    return ToolFailed(f"The user has no permission to use {tool_name}.")


def _refuse_writes(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if sql.lstrip("( \n").lower().startswith(WRITES):
        alias = context["connection"].alias
        raise ConfigurationError(
            f"A tool with effects='database' wrote to the database {alias!r}, which does not share a transaction "
            "with the journal. Give the tool effects='external'."
        )
    return execute(sql, params, many, context)


class ToolThreads(Executor):
    """Where pydantic-ai runs sync functions: the transaction's lane inside a transactional tool, else a pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        transaction, frame = current_transaction.get(), current_frame.get()
        if frame is not None and args and callable(args[0]):  # `context.run` and the function, as pydantic-ai gives it
            args = (partial(call_restored, frame.run.inherited, args[0]), *args[1:])
        if transaction is not None:
            return transaction.lane.submit(transaction.call, lambda: fn(*args, **kwargs))
        return self._pool.submit(fn, *args, **kwargs)
