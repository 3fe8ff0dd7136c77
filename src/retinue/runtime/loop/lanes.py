"""Threads that reach the database. A lane is one thread with one connection of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from asgiref.sync import SyncToAsync
from django.db import connections

T = TypeVar("T")
KEEP_SECONDS = 600.0
"""How long a lane keeps a healthy connection, whatever CONN_MAX_AGE says: it is not a request's."""
CHECK_SECONDS = 1.0
"""How often a thread looks after connections that seem healthy."""


def refresh_connections() -> None:
    """Close this thread's connections that broke or are old; the next query opens new ones."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and not connection.in_atomic_block:
            # Django closes by the age it noted when it connected; a lane has an age of its own.
            if connection.close_at is not None and not hasattr(connection, "retinue_close_at"):
                connection.retinue_close_at = time.monotonic() + KEEP_SECONDS  # type: ignore[attr-defined]
            connection.close_at = getattr(connection, "retinue_close_at", None)
            connection.close_if_unusable_or_obsolete()
            if connection.connection is not None and not connection.is_usable():
                connection.close()  # the server went away since
            if connection.connection is None and hasattr(connection, "retinue_close_at"):
                del connection.retinue_close_at


class Threads(Executor):
    """A few threads, started when needed, each with connections of its own.

    Unlike a ThreadPoolExecutor's they are daemons, so that a process that ends can still hand its runs back, and
    `call` wakes the loop once where a concurrent future chained to one of the loop's takes several turns.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # for who waits to handle; the thread lives on
                future.set_exception(error)
            else:
                future.set_result(result)

        self._put(work)
        return future

    def call(self, fn: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run a function; the future is the running loop's. Cancelling it does not stop the function."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            result, error = None, None
            try:
                result = fn(*args)
            except BaseException as caught:  # likewise
                error = caught
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(_deliver, future, result, error)

        self._put(work)
        return future

    def close(self) -> None:
        """End each thread, once what runs in it is done, and close its connections."""
        for _ in self._threads:
            self._calls.put(None)

    def join(self, deadline: float) -> None:
        """Wait for threads that were closed, up to that time of the monotonic clock."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0))

    def _put(self, work: Callable[[], None]) -> None:
        self._calls.put(work)
        if len(self._threads) < self._size and not self._idle.acquire(blocking=False):
            with self._lock:
                if len(self._threads) < self._size:
                    thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _work(self) -> None:
        checked = 0.0
        while (work := self._calls.get()) is not None:
            if (now := time.monotonic()) - checked > CHECK_SECONDS or _any_broken():
                refresh_connections()
                checked = now
            work()
            del work  # an idle thread keeps nothing alive
            if len(self._threads) < self._size:
                self._idle.release()
        connections.close_all()


def _deliver(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _any_broken() -> bool:
    return any(connection.errors_occurred for connection in connections.all(initialized_only=True))


class Lane(Threads):
    """One thread, one connection."""

    def __init__(self, name: str = "retinue-lane") -> None:
        super().__init__(1, name)


class CallerThread(Executor):
    """The thread that waits for a run does its database work, as a TestCase needs it."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], Any, Any] | None] = queue.SimpleQueue()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._calls.put((future, fn, args, kwargs))
        return future

    def call(self, fn: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """See Threads.call()."""
        return asyncio.wrap_future(self.submit(fn, *args))

    def pump(self, until: Future[T]) -> T:
        """Do what is submitted until `until` is done; give its result."""
        until.add_done_callback(lambda _: self._calls.put(None))
        with _same_main_loop():
            self._work()
        return until.result()

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, fn, args, kwargs = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # for who waits to handle; the thread lives on
                future.set_exception(error)
            else:
                future.set_result(result)

    def close(self) -> None:
        """Nothing to close: the thread is the caller's."""

    def join(self, deadline: float) -> None:
        """Nor to wait for."""


@contextmanager
def _same_main_loop() -> Iterator[None]:
    """sync_to_async leaves in a thread which loop it came from; a later async_to_sync there would use the engine's."""
    local = SyncToAsync.threadlocal
    before = getattr(local, "main_event_loop", None)
    try:
        yield
    finally:
        local.main_event_loop = before


class LanePool:
    """Lanes that are lent to one user at a time. Belongs to the engine's loop."""

    def __init__(self, make: Callable[[], Any], size: int) -> None:
        self._make = make
        self._free: deque[Any] = deque(make() for _ in range(size))
        self._lanes = list(self._free)
        self._waiting: deque[asyncio.Future[None]] = deque()

    def acquire_nowait(self) -> Any | None:
        """A lane if one is free."""
        return self._free.popleft() if self._free else None

    async def acquire(self) -> Any:
        while not self._free:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise
        return self._free.popleft()

    def release(self, lane: Any) -> None:
        self._free.append(lane)
        self._wake()

    def replace(self, lane: Any) -> None:
        """Give up a lane whose thread is stuck; it ends by itself when its work does."""
        lane.close()
        self._lanes.remove(lane)
        fresh = self._make()
        self._lanes.append(fresh)
        self.release(fresh)

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()

    def join(self, deadline: float) -> None:
        for lane in self._lanes:
            lane.join(deadline)

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class RoundRobin:
    """A few lanes, given out in turn: for the ORM calls of async tools, which must stay on one thread."""

    def __init__(self, size: int) -> None:
        self._lanes = [Lane("retinue-orm") for _ in range(size)]
        self._next = 0

    def one(self) -> Lane:
        self._next = (self._next + 1) % len(self._lanes)
        return self._lanes[self._next]

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()

    def join(self, deadline: float) -> None:
        for lane in self._lanes:
            lane.join(deadline)
