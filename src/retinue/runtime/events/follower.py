"""Reads what other processes tell of their runs, once for all who watch them here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections
from pydantic_core import to_json

from retinue.executions.events import Event, EventId, final_event, to_event
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.executions.states import FINAL, EventKind
from retinue.runtime.events.listeners import Listener, listener_for

if TYPE_CHECKING:
    from retinue.runtime.events.hub import Hub
    from retinue.runtime.loop.engine import Engine

logger = logging.getLogger("retinue.events")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Between two looks where nobody tells when there is something new. They become rarer while there is nothing."""
SAFETY_SECONDS = 2.0
"""Between two looks where somebody does."""
STATE_SECONDS = 1.0
"""How often it looks for runs that ended without a word."""
BEGINNING = EventId(0, 0)


class Follower:
    """Follows executions that run elsewhere. Belongs to the engine's loop."""

    hub: Hub

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cursors: dict[UUID, EventId] = {}
        """Up to which event each is known."""
        self._awake: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._listener: Listener | None = None
        self._looked = 0.0

    async def follow(self, execution_id: UUID) -> None:
        """Tell the hub of what is stored from now on."""
        if execution_id not in self._cursors:
            newest = await self._read(newest_id, execution_id)
            self._cursors.setdefault(execution_id, newest or BEGINNING)
        self._start()

    def take_over(self, execution_id: UUID, last: EventId | None) -> None:
        """The run has left this process: those who watch know all that was stored, up to this."""
        self._cursors.setdefault(execution_id, last or BEGINNING)
        self._start()

    def leave(self, execution_id: UUID) -> None:
        self._cursors.pop(execution_id, None)

    def wake(self, execution_id: UUID | None = None) -> None:
        """Something was stored (of this execution)."""
        if self._awake is not None and (execution_id is None or execution_id in self._cursors):
            self._awake.set()

    async def end(self) -> None:
        """Look for nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def close(self) -> None:
        """Any thread but the loop's may call it. Waits until the listener's connection is closed."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()
            listener.join(timeout=5)

    def _start(self) -> None:
        if self._awake is None:
            self._awake = asyncio.Event()
        self._awake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        assert self._awake is not None
        self._listener = self._listener or listener_for(self._engine.alias, self._heard)
        pause = SHORTEST_PAUSE
        while self._cursors:
            self._awake.clear()
            found = await self._look()
            pause = SHORTEST_PAUSE if found else min(pause * 1.25, LONGEST_PAUSE)
            listening = self._listener is not None and self._listener.connected
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), SAFETY_SECONDS if listening else pause)
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def _heard(self, execution_id: UUID | None) -> None:
        """Called by the listener's thread."""
        with suppress(RuntimeError):  # the loop may be closed by now
            self._engine.loop.call_soon_threadsafe(self.wake, execution_id)

    async def _look(self) -> bool:
        events = await self._read(new_events, dict(self._cursors)) or {}
        for execution_id, found in events.items():
            if execution_id in self._cursors:
                self._cursors[execution_id] = found[-1].id or BEGINNING
                self.hub.publish(execution_id, found)
        if time.monotonic() - self._looked >= STATE_SECONDS:
            self._looked = time.monotonic()
            for execution_id, last in (await self._read(silent_ends, list(self._cursors)) or {}).items():
                self.hub.publish(execution_id, [last])
        return bool(events)

    async def _read(self, fn: Any, *args: Any) -> Any:
        """None while the database is away, and where something that was stored cannot be told."""
        try:
            return await self._engine.bridge.call(fn, self._engine.alias, *args)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Streams could not be read (%s); trying again.", type(error).__name__)
        except Exception:  # whatever one of them holds: all others are followed by this very task
            logger.exception("Streams could not be read; trying again.")
        await asyncio.sleep(1.0)
        return None


def newest_id(alias: str, execution_id: UUID) -> EventId | None:
    events = ExecutionEvent.objects.using(alias).filter(execution=execution_id)
    found = events.order_by("-epoch", "-seq").values_list("epoch", "seq").first()
    return None if found is None else EventId(*found)


EVENTS = ExecutionEvent._meta.db_table
# Each execution has a place of its own from where on: one look into the index for each, in one query.
_NEW_POSTGRESQL = (
    "SELECT e.* FROM json_to_recordset(%s::json) AS c(id uuid, epoch int, seq int) "  # noqa: S608 (a name of our own)
    f"CROSS JOIN LATERAL (SELECT * FROM {EVENTS} WHERE execution_id = c.id AND (epoch, seq) > (c.epoch, c.seq) "
    "ORDER BY epoch, seq) e"
)
_NEW_SQLITE = (
    f"SELECT e.* FROM json_each(%s) c CROSS JOIN {EVENTS} e "  # noqa: S608 (likewise)
    "ON e.execution_id = json_extract(c.value, '$.id') "
    "AND (e.epoch, e.seq) > (json_extract(c.value, '$.epoch'), json_extract(c.value, '$.seq')) "
    "ORDER BY e.epoch, e.seq"
)


def new_events(alias: str, cursors: dict[UUID, EventId]) -> dict[UUID, list[Event]]:
    """What is stored of these executions after these places. One query for all of them.

    The events of one execution are committed in their order: only who has its lease writes them.
    """
    found: dict[UUID, list[Event]] = {}
    if cursors:
        places = to_json([{"id": pk.hex, "epoch": at.epoch, "seq": at.seq} for pk, at in cursors.items()]).decode()
        statement = _NEW_POSTGRESQL if connections[alias].vendor == "postgresql" else _NEW_SQLITE
        for row in ExecutionEvent.objects.using(alias).raw(statement, [places]):
            found.setdefault(row.execution_id, []).append(to_event(row))
    return found


def silent_ends(alias: str, execution_ids: Iterable[UUID]) -> dict[UUID, Event | None]:
    """Those that ended, or are gone, without a last event that is stored."""
    ids = set(execution_ids)
    rows = AgentExecution.objects.using(alias).filter(pk__in=ids)
    told = ExecutionEvent.objects.using(alias).filter(execution__in=ids, kind=EventKind.FINAL)
    there = dict(rows.values_list("pk", "status"))
    ended = {pk for pk, status in there.items() if status in FINAL} - set(told.values_list("execution_id", flat=True))
    return dict.fromkeys(ids - set(there)) | {row.pk: final_event(row) for row in rows.filter(pk__in=ended)}
