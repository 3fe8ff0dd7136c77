"""Watching an execution from any process, from any point on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from retinue.executions.events import Event, EventId, final_event, read_events
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.executions.states import EventKind
from retinue.runtime.events.hub import Missed, Subscriber
from retinue.runtime.loop.engine import Engine, get_engine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """Text that the watcher was given already has this id now."""

    id: EventId


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing happened for a while."""


BEAT = Beat()


async def watch(
    execution_id: UUID, after: EventId | None = None, *, beat: float = 15.0
) -> AsyncGenerator[Event | Stored | Beat, None]:
    """The events after that place, and then those that come, to the last one.

    Text that is not stored yet comes as an event without an id; once it is stored, `Stored` says so. An execution
    whose events are gone, or that is not streamed, has one event: its end. After `beat` seconds without an event
    comes a `Beat`. Holds no thread and no connection while it waits.
    """
    engine = get_engine()
    watcher = Watcher(engine, execution_id, after)
    subscriber = Subscriber()
    try:
        await _on_engine(engine, lambda: engine.hub.subscribe(execution_id, subscriber))
        while True:
            for item in await watcher.catch_up():
                yield item
            while not watcher.over:
                try:
                    async with asyncio.timeout(beat):
                        event = await subscriber.inbox.get()
                except TimeoutError:
                    yield BEAT
                    continue
                if isinstance(event, Missed):
                    break
                if (told := watcher.take(event)) is not None:
                    yield told
            if watcher.over:
                return
    finally:
        with suppress(RuntimeError):  # the engine may be closed by now
            engine.loop.call_soon_threadsafe(engine.hub.unsubscribe, execution_id, subscriber)


class Watcher:
    """Where one watcher stands: he is told everything once, in order."""

    def __init__(self, engine: Engine, execution_id: UUID, after: EventId | None) -> None:
        self._engine = engine
        self._execution_id = execution_id
        self._last = after
        self._ends: dict[tuple[str, int], int] = {}
        """Up to where he has each text, where that is known."""
        self._live: dict[tuple[str, int], tuple[int, int]] = {}
        """Up to where he was given it before it was stored: the epoch, and the end."""
        self._stored: dict[tuple[str, int], int] = {}
        """Up to where it is stored."""
        self.over = False

    async def catch_up(self) -> list[Event | Stored]:
        """What is stored after the place where he stands."""
        stored, end = await _on_engine(
            self._engine,
            lambda: self._engine.bridge.call(read_rest, self._engine.alias, self._execution_id, self._last),
        )
        told = [item for event in stored if (item := self.take(event)) is not None]
        if end and not self.over:
            self.over = True
            told += [event for event in end if event is not None]
        return told

    def take(self, event: Event | None) -> Event | Stored | None:
        """What he is to be told of it, if anything."""
        if event is None:
            self.over = True
            return None
        if event.id is None:
            return self._take_unstored(event)
        if self._last is not None and event.id <= self._last and event.kind != EventKind.FINAL:
            return None  # he has it; the end comes even to who says that he has what is not there yet
        self._last = event.id
        if event.kind in (EventKind.TEXT, EventKind.THINKING):
            return self._take_text(event, event.id)
        if event.kind == EventKind.RESET:
            step = event.content["step"]
            self._ends = {place: end for place, end in self._ends.items() if place[1] < step}
            self._live = {place: end for place, end in self._live.items() if place[1] < step}
            self._stored = {place: end for place, end in self._stored.items() if place[1] < step}
        self.over = event.kind == EventKind.FINAL
        return event

    def _take_text(self, event: Event, id: EventId) -> Event | Stored:
        place, begin, end = extent(event)
        epoch, live_end = self._live.get(place, (0, 0))
        begins_again = begin < self._stored.get(place, 0)
        self._stored[place] = end
        if begins_again:
            self._live.pop(place, None)
        elif epoch == id.epoch and live_end >= end:
            return Stored(id)
        self._ends[place] = end
        return event

    def _take_unstored(self, event: Event) -> Event | None:
        """Text that follows without a gap what he has. What does not he gets when it is stored."""
        if event.kind == EventKind.FINAL:  # of an execution that ended without a word
            self.over = True
            return event
        place, begin, end = extent(event)
        known = self._ends.get(place, 0 if begin == 0 else None)
        if known is None or not begin <= known < end:
            return None
        self._ends[place] = end
        self._live[place] = event.epoch, end
        return event


def extent(event: Event) -> tuple[tuple[str, int], int, int]:
    """Of a text: which one, from where, up to where."""
    data = event.content
    return (event.kind, data["step"]), data["offset"], data["offset"] + len(data["text"])


def read_rest(alias: str, execution_id: UUID, after: EventId | None) -> tuple[list[Event], list[Event | None]]:
    """The stored events after that place; and of an execution that has ended without a stored end, that end.

    The row first: an execution that is open then has its last event stored when it ends.
    """
    execution = AgentExecution.objects.using(alias).filter(pk=execution_id).first()
    events = read_events(alias, execution_id, after)
    if execution is None:
        return events, [None]
    if not execution.is_final:
        return events, []
    told = ExecutionEvent.objects.using(alias).filter(execution=execution_id, kind=EventKind.FINAL).exists()
    return events, [None if told else final_event(execution)]


async def _on_engine(engine: Engine, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return await asyncio.wrap_future(engine.submit(make))
