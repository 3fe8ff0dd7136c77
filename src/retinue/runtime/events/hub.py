"""Who watches what in this process, and who tells them: the run itself where it runs here, else the follower."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from retinue.executions.events import Event

if TYPE_CHECKING:
    from retinue.runtime.events.follower import Follower
    from retinue.runtime.events.recorder import Recorder

MOST_WAITING = 2000
"""How many events may wait for a slow watcher; then he starts again from the stored ones."""


class Missed:
    """Something was stored that a watcher was not told: he is to read on from where he stands."""


MISSED = Missed()
Told = Event | Missed | None
"""None: there is nothing to come."""


class Subscriber:
    """A watcher's inbox, on the loop that he waits in."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.inbox: asyncio.Queue[Told] = asyncio.Queue()
        self.left = False

    def deliver(self, told: Sequence[Told]) -> None:
        """Called on the watcher's loop."""
        if self.inbox.qsize() + len(told) > MOST_WAITING:
            while not self.inbox.empty():
                self.inbox.get_nowait()
            told = [MISSED]
        for each in told:
            self.inbox.put_nowait(each)


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
        if subscriber.left:  # before he was there
            return
        channel = self._channels[execution_id]
        channel.subscribers.add(subscriber)
        if channel.recorder is None:
            await self._follower.follow(execution_id)
            now = self._channels.get(execution_id)
            if now is None or now.recorder is not None:  # he left, or the run came here
                self._follower.leave(execution_id)
        elif (unstored := channel.recorder.unstored()) is not None:
            send([subscriber], [unstored])

    def unsubscribe(self, execution_id: UUID, subscriber: Subscriber) -> None:
        subscriber.left = True
        channel = self._channels.get(execution_id)
        if channel is not None:
            channel.subscribers.discard(subscriber)
            self._forget_unused(execution_id, channel)

    def open(self, execution_id: UUID, recorder: Recorder) -> None:
        """The run is in this process from now on."""
        channel = self._channels[execution_id]
        channel.recorder = recorder
        self._follower.leave(execution_id)
        if recorder.goes_on:  # the follower may not have found yet what was stored last
            send(channel.subscribers, [MISSED])

    def close(self, execution_id: UUID, recorder: Recorder) -> None:
        """The run is not in this process any more: who watches it is told by the follower."""
        channel = self._channels.get(execution_id)
        if channel is None or channel.recorder is not recorder:
            return
        channel.recorder = None
        if channel.subscribers:
            self._follower.take_over(execution_id, recorder.last)
        self._forget_unused(execution_id, channel)

    def is_watched(self, execution_id: UUID) -> bool:
        channel = self._channels.get(execution_id)
        return channel is not None and bool(channel.subscribers)

    def publish(self, execution_id: UUID, told: Sequence[Told]) -> None:
        """Tell everybody who watches it."""
        channel = self._channels.get(execution_id)
        if channel is not None and channel.subscribers and told:
            send(channel.subscribers, told)

    async def end(self) -> None:
        """The engine ends: nobody is told anything any more."""
        await self._follower.end()
        for channel in self._channels.values():
            send(channel.subscribers, [None])

    def _forget_unused(self, execution_id: UUID, channel: Channel) -> None:
        if not channel.subscribers and channel.recorder is None:
            self._channels.pop(execution_id, None)
            self._follower.leave(execution_id)


def send(subscribers: Collection[Subscriber], told: Sequence[Told]) -> None:
    """Hand events over to the loops that the watchers wait in, to each loop once."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Subscriber]] = defaultdict(list)
    for subscriber in subscribers:
        by_loop[subscriber.loop].append(subscriber)
    for loop, there in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: they are gone
            loop.call_soon_threadsafe(_deliver, there, told)


def _deliver(subscribers: list[Subscriber], told: Sequence[Told]) -> None:
    for subscriber in subscribers:
        subscriber.deliver(told)
