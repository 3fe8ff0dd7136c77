"""The journal's writer: what queues up while it is busy shares one transaction."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections, transaction

from retinue.conf import get_settings
from retinue.runtime import points
from retinue.runtime.journal.accounting import keep_accounts
from retinue.runtime.run import LeaseLost

logger = logging.getLogger("retinue.journal")

TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATE of a serialization failure, a deadlock, a lock that was not available."""
FIRST_PAUSE = 0.05


class Operation(Protocol):
    """Something to be written. Operations of one type are applied together, in the order of `rank`."""

    rank: ClassVar[int]
    again: bool
    """Set when an earlier try may have been committed."""

    @staticmethod
    def apply(alias: str, operations: list[Any]) -> list[Any]:
        """Write them; give a result, or an exception, for each."""
        ...


@dataclass(eq=False)
class Journal:
    """Writes operations on a lane. Belongs to the engine's loop."""

    alias: str
    submit: Callable[..., asyncio.Future[Any]]
    """Runs a function on the writer's lane; gives a future of the loop."""
    _queue: dict[asyncio.Future[Any], Any] = field(default_factory=dict)
    _writing: bool = False
    _timer: asyncio.TimerHandle | None = None

    def post(self, operation: Any, within: float = 0.0) -> asyncio.Future[Any]:
        """Have it written; the future is done once it is committed, or says why not.

        `within`: seconds that it may wait for others to share its transaction with.
        """
        future = asyncio.get_running_loop().create_future()
        self._queue[future] = operation
        if not within:
            self.hurry()
        elif not self._writing and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(within, self.hurry)
        return future

    async def write(self, operation: Any) -> Any:
        """Write and wait for the commit. Cancelling the wait does not undo it."""
        return await self.post(operation)

    def withdraw(self, future: asyncio.Future[Any]) -> Any | None:
        """Take back what is not being written yet; None where it is, or was."""
        return self._queue.pop(future, None)

    def hurry(self) -> None:
        """Write what is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue and not self._writing:
            self._writing = True
            # The rest of this turn of the loop may bring more for the same transaction.
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        batch, self._queue = self._queue, {}
        if not batch:
            self._writing = False
            return
        written = self.submit(flush, self.alias, list(batch.values()))
        written.add_done_callback(lambda done: self._written(list(batch), done))

    def _written(self, batch: list[asyncio.Future[Any]], done: asyncio.Future[Any]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        results = [error] * len(batch) if error is not None else done.result()
        for future, result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
                future.exception()  # a result nobody waits for is not worth a warning
            else:
                future.set_result(result)
        if self._queue:
            self._write()
        else:
            self._writing = False


def flush(alias: str, operations: list[Any]) -> list[Any]:
    """Write a batch in one transaction; where that fails, each on its own, so that one bad row fails alone."""
    try:
        return _patiently(alias, operations)
    except Exception as error:  # the drivers have many ways to say that a value does not fit
        if len(operations) == 1 or is_away(error):
            return [error] * len(operations)
        return [result for operation in operations for result in flush(alias, [operation])]


def _patiently(alias: str, operations: list[Any]) -> list[Any]:
    """Try again for as long as a lease may still be ours: the database may be away, or busy, for a moment."""
    deadline = time.monotonic() + get_settings().lease_seconds
    pause = FIRST_PAUSE
    while True:
        try:
            return _apply(alias, operations)
        except (OperationalError, InterfaceError) as error:
            testing = connections[alias].in_atomic_block
            if testing or not (is_away(error) or is_transient(error)) or time.monotonic() + pause > deadline:
                raise
            if pause == FIRST_PAUSE:
                logger.warning("The journal could not be written (%s); trying again.", type(error).__name__)
            if is_away(error):
                connections[alias].close()
                for operation in operations:
                    # The commit itself may have gone through: what is there already is not written twice.
                    operation.again = True
        time.sleep(pause)
        pause = min(pause * 2, 1.0)


def _apply(alias: str, operations: list[Any]) -> list[Any]:
    groups: dict[type[Any], list[int]] = {}
    for position, operation in enumerate(operations):
        groups.setdefault(type(operation), []).append(position)
    results: list[Any] = [None] * len(operations)
    single = len(groups) == 1 and is_single(alias, operations)
    if single:
        points.reach(points.BEFORE_JOURNAL_COMMIT)  # the statement itself commits
    with nullcontext() if single else transaction.atomic(using=alias):
        for kind in sorted(groups, key=lambda kind: kind.rank):
            positions = groups[kind]
            for position, result in zip(positions, kind.apply(alias, [operations[p] for p in positions]), strict=True):
                results[position] = result
        keep_accounts(alias, operations, results)
        if not single:
            points.reach(points.BEFORE_JOURNAL_COMMIT)
    points.reach(points.AFTER_JOURNAL_COMMIT)
    return results


def is_single(alias: str, operations: list[Any]) -> bool:
    """Whether these need no transaction around them: one statement writes it all, and commits by itself."""
    connection = connections[alias]
    if connection.in_atomic_block or not hasattr(operations[0], "is_single"):
        return False
    return (len(operations) == 1 or connection.vendor == "postgresql") and all(
        operation.is_single(alias) and getattr(operation, "accounting", None) is None for operation in operations
    )


def is_transient(error: BaseException) -> bool:
    """Whether another try may simply work: a deadlock, a serialization failure, a lock."""
    if not isinstance(error, OperationalError):
        return False
    return getattr(error.__cause__, "sqlstate", None) in TRANSIENT_STATES or "locked" in str(error)


def is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError) or is_transient(error):
        return False
    if isinstance(error.__cause__, sqlite3.Error):
        return "unable to open" in str(error)
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(("08", "57P"))


def lost(execution_id: UUID) -> LeaseLost:
    return LeaseLost(f"The lease of execution {execution_id} is gone.")
