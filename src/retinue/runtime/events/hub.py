"""Who watches what in this process, and who tells them: the run itself where it runs here, else the follower."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from retinue.executions.events import Event

if TYPE_CHECKING:
    from retinue.runtime.events.follower import Follower
    from retinue.runtime.events.recorder import Recorder

MOST_WAITING = 2000
"""How many events may wait for a slow watcher; then he starts again from the stored ones."""


class Subscriber:
    """A watcher's inbox, on the loop that he waits in."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.inbox: asyncio.Queue[Event | None] = asyncio.Queue()
        self.lagged = False

    def deliver(self, events: Sequence[Event | None]) -> None:
        """Called on the watcher's loop."""
        if self.lagged or self.inbox.qsize() + len(events) > MOST_WAITING:
            self.lagged = True
            self.inbox = asyncio.Queue() if self.inbox.qsize() else self.inbox
        for event in events:
            self.inbox.put_nowait(event)


class Channel:
    """What goes on with one execution. Belongs to the engine's loop."""

    def __init__(self) -> None:
        self.subscribers: set[Subscriber] = set()
        self.recorder: Recorder | None = None
        """Where the run is in this process."""


class Hub:
    """The channels of a process. Belongs to the engine's loop."""

    def __init__(self, follower: Follower) -> None:
        self._channels: defaultdict[UUID, Channel] = defaultdict(Channel)
        self._follower = follower
        follower.hub = self

    async def subscribe(self, execution_id: UUID, subscriber: Subscriber) -> None:
        """From now on he is told; first, what the run has said here that is not stored yet."""
        channel = self._channels[execution_id]
        channel.subscribers.add(subscriber)
        if channel.recorder is None:
            await self._follower.follow(execution_id)
        elif (unstored := channel.recorder.unstored()) is not None:
            send([subscriber], [unstored])

    def unsubscribe(self, execution_id: UUID, subscriber: Subscriber) -> None:
        channel = self._channels.get(execution_id)
        if channel is not None:
            channel.subscribers.discard(subscriber)
            self._forget_unused(execution_id, channel)

    def open(self, execution_id: UUID, recorder: Recorder) -> None:
        """The run is in this process from now on."""
        self._channels[execution_id].recorder = recorder
        self._follower.leave(execution_id)

    def close(self, execution_id: UUID, recorder: Recorder) -> None:
        """The run is not in this process any more: who watches it is told by the follower."""
        channel = self._channels.get(execution_id)
        if channel is None or channel.recorder is not recorder:
            return
        channel.recorder = None
        if channel.subscribers:
            self._follower.take_over(execution_id)
        self._forget_unused(execution_id, channel)

    def is_watched(self, execution_id: UUID) -> bool:
        channel = self._channels.get(execution_id)
        return channel is not None and bool(channel.subscribers)

    def publish(self, execution_id: UUID, events: Sequence[Event | None]) -> None:
        """Tell everybody. None: there is nothing to come."""
        channel = self._channels.get(execution_id)
        if channel is not None and channel.subscribers and events:
            send(channel.subscribers, events)

    def _forget_unused(self, execution_id: UUID, channel: Channel) -> None:
        if not channel.subscribers and channel.recorder is None:
            self._channels.pop(execution_id, None)
            self._follower.leave(execution_id)


def send(subscribers: Sequence[Subscriber] | set[Subscriber], events: Sequence[Event | None]) -> None:
    """Hand events over to the loops that the watchers wait in, to each loop once."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Subscriber]] = defaultdict(list)
    for subscriber in subscribers:
        by_loop[subscriber.loop].append(subscriber)
    for loop, there in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: they are gone
            loop.call_soon_threadsafe(_deliver, there, events)


def _deliver(subscribers: list[Subscriber], events: Sequence[Event | None]) -> None:
    for subscriber in subscribers:
        subscriber.deliver(events)
