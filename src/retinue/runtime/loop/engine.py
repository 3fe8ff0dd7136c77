"""One event loop per process, in a thread of its own: all executions of the process run on it."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution
from retinue.runtime.events.follower import Follower
from retinue.runtime.events.hub import Hub
from retinue.runtime.events.recorder import Recorder
from retinue.runtime.loop.bridge import Bridge
from retinue.runtime.loop.heartbeat import Heartbeat
from retinue.runtime.loop.lanes import CallerThread
from retinue.runtime.run import Run
from retinue.signals import execution_finished

T = TypeVar("T")
TICK = 0.25


class Engine:
    """The loop, its bridge to the database, and the runs that it holds leases of."""

    def __init__(self) -> None:
        self.alias = get_settings().database
        self.loop = asyncio.new_event_loop()
        self._runs: dict[UUID, Run] = {}
        self._bridge: Bridge | None = None
        self._heartbeat: Heartbeat | None = None
        self._follower = Follower(self)
        self.hub = Hub(self._follower)
        self._ticked = time.monotonic()
        self._new_leases = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._turn, name="retinue-engine", daemon=True)
        self._thread.start()

    def _turn(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._tick)
        self.loop.run_forever()

    def _tick(self) -> None:
        self._ticked = time.monotonic()
        self.loop.call_later(TICK, self._tick)

    # Callers' side

    def submit(self, make: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Have a coroutine run on the loop, in the caller's context."""
        context, future = contextvars.copy_context(), Future[T]()

        def start() -> None:
            task = self.loop.create_task(make(), context=context)
            self._tasks.add(task)
            # One callback: anyio puts a task with all its callbacks into words whenever it leaves a scope.
            task.add_done_callback(lambda task: self._ended(task, future))

        self.loop.call_soon_threadsafe(start)
        return future

    def _ended(self, task: asyncio.Task[T], future: Future[T]) -> None:
        self._tasks.discard(task)
        _pass_on(task, future)

    def run_here(self, make: Callable[[Bridge], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine while this thread does its database work, in its own transaction (TestCase)."""
        caller = CallerThread()

        async def with_bridge() -> T:
            return await make(Bridge(caller))

        return caller.pump(self.submit(with_bridge))

    # The loop's side

    @property
    def bridge(self) -> Bridge:
        if self._bridge is None:
            self._bridge = Bridge()
        return self._bridge

    def take(self, run: Run, bridge: Bridge) -> None:
        """Look after a run from now on."""
        run.bridge = bridge
        run.task = asyncio.current_task()
        if (earlier := self._runs.get(run.id)) is not None and earlier is not run:
            self.lose(earlier)
        self._runs[run.id] = run
        self._new_leases = True
        if run.execution.stream:
            run.recorder = Recorder(run, self.hub)
        if bridge.caller is None and self._heartbeat is None:
            self._heartbeat = Heartbeat(self)
            self._heartbeat.start()

    def let_go(self, run: Run) -> None:
        if run.recorder is not None:
            run.recorder.close()
        if self.holds(run):
            del self._runs[run.id]

    @property
    def active(self) -> int:
        return len(self._runs)

    def active_ids(self) -> list[UUID]:
        return list(self._runs)

    # Any thread

    def leased(self) -> list[Run]:
        """The runs whose leases are to be renewed."""
        return [run for run in list(self._runs.values()) if run.bridge.caller is None and not run.lost]

    def holds(self, run: Run) -> bool:
        return self._runs.get(run.id) is run

    def has_new_leases(self) -> bool:
        new, self._new_leases = self._new_leases, False
        return new

    def stalled_for(self) -> float:
        """Seconds since the loop last turned."""
        return time.monotonic() - self._ticked

    def lose(self, run: Run) -> None:
        """The lease is gone: stop the run's statements and its task."""
        if run.ending:
            return  # it gave the lease up itself, or is about to find out
        run.lost = True
        for transaction in list(run.transactions):
            transaction.interrupt()
        with suppress(RuntimeError):  # the loop may be closed by now
            self.loop.call_soon_threadsafe(self._stop, run)

    def _stop(self, run: Run) -> None:
        if run.task is not None and not run.ending:
            run.task.cancel()

    def drain(self, grace: float) -> None:
        """Hand all runs back: steps in flight may finish for `grace` seconds. Waits until they are gone."""
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._drain(grace), self.loop).result(grace + 10)

    async def _drain(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        while self._runs and time.monotonic() < deadline:
            for run in self._runs.values():
                run.draining = True
                if run.in_flight == 0:
                    run.idle.set()
            await asyncio.sleep(0.02)
        for run in list(self._runs.values()):
            run.cut = True
            for transaction in list(run.transactions):
                transaction.stop()
            if run.task is not None:
                run.task.cancel()
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=max(deadline - time.monotonic(), 0) + 5)

    def close(self) -> None:
        """End the loop and close every connection."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
        with suppress(TimeoutError):
            self.submit(self.hub.end).result(5)
        self._follower.close()
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self.loop.close()


def _pass_on(task: asyncio.Task[T], future: Future[T]) -> None:
    if future.cancelled():
        return
    if task.cancelled():
        future.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


_engine: Engine | None = None
_lock = threading.Lock()


def get_engine() -> Engine:
    """The process's engine, started when first needed, and anew after a fork."""
    global _engine
    if _engine is None:
        with _lock:
            if _engine is None:
                _engine = Engine()
    return _engine


def close_engine() -> None:
    """End the engine, as a process that stops does. The next use starts another."""
    global _engine
    with _lock:
        engine, _engine = _engine, None
    if engine is not None:
        engine.close()


def _forget_after_fork() -> None:
    """A child process has none of its parent's threads."""
    global _engine, _lock
    if _engine is not None:
        # Providers ask a client's loop whether it still runs, and take a new client where it does not. Closing it
        # here would close it for the parent, too: they share its selector.
        loop: Any = _engine.loop
        loop.is_running, loop.close = lambda: False, lambda: None
    _engine, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_after_fork)


def _stop_final_run(sender: Any, execution: AgentExecution, **kwargs: Any) -> None:
    """A run that ended from outside stops at once where it is in this process, and who watches it here is told."""
    if _engine is None:
        return
    if (run := _engine._runs.get(execution.id)) is not None and not run.lost:
        _engine.lose(run)
    if execution.stream:
        with suppress(RuntimeError):  # the loop may be closed by now
            _engine.loop.call_soon_threadsafe(_engine._follower.wake, execution.id)


execution_finished.connect(_stop_final_run, sender=AgentExecution, dispatch_uid="retinue_stop_final_run")
