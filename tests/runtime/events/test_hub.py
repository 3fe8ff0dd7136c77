"""Who is told what: inboxes, and channels that are there as long as somebody needs them."""

import asyncio
from uuid import uuid4

import pytest

from retinue.executions.events import Event, EventId
from retinue.runtime.events import hub
from retinue.runtime.events.hub import MISSED, Subscriber, send
from retinue.runtime.loop.engine import get_engine

pytestmark = pytest.mark.django_db(transaction=True)

EXECUTION = uuid4()


def event(seq):
    return Event(EXECUTION, "text", b"{}", EventId(1, seq))


def inbox(subscriber):
    return [subscriber.inbox.get_nowait() for _ in range(subscriber.inbox.qsize())]


def on_engine(coroutine):
    return get_engine().submit(coroutine).result()


def test_full_inbox_says_that_something_was_missed(monkeypatch):
    monkeypatch.setattr(hub, "MOST_WAITING", 3)

    async def go():
        subscriber = Subscriber()
        first = [event(1), event(2)]
        subscriber.deliver(first)
        assert inbox(subscriber) == first
        subscriber.deliver(first)
        subscriber.deliver([event(3), event(4)])
        assert inbox(subscriber) == [MISSED]
        last = [event(5), None]
        subscriber.deliver(last)
        assert inbox(subscriber) == last
        subscriber.deliver([event(seq) for seq in range(6, 10)])
        assert inbox(subscriber) == [MISSED]

    asyncio.run(go())


def test_each_loop_is_woken_once_for_all_who_wait_there():
    async def go():
        subscribers = [Subscriber() for _ in range(3)]
        send(subscribers, [event(1), event(2)])
        assert [subscriber.inbox.qsize() for subscriber in subscribers] == [0, 0, 0]
        await asyncio.sleep(0)
        return [len(inbox(subscriber)) for subscriber in subscribers]

    assert asyncio.run(go()) == [2, 2, 2]


def test_watcher_whose_loop_is_closed_is_passed_over():
    async def subscriber():
        return Subscriber()

    async def go():
        here = Subscriber()
        send([gone, here], [event(1)])
        await asyncio.sleep(0)
        return inbox(here)

    gone = asyncio.run(subscriber())
    assert [each.id for each in asyncio.run(go())] == [EventId(1, 1)]


def test_who_left_before_he_was_there_is_not_there():
    async def go():
        told = get_engine().hub
        subscriber = Subscriber()
        told.unsubscribe(EXECUTION, subscriber)
        await told.subscribe(EXECUTION, subscriber)
        return dict(told._channels), get_engine()._follower._cursors

    assert on_engine(go) == ({}, {})


def test_who_leaves_while_the_database_is_asked_leaves_nothing_behind():
    async def go():
        told = get_engine().hub
        subscriber = Subscriber()
        subscribing = asyncio.ensure_future(told.subscribe(EXECUTION, subscriber))
        await asyncio.sleep(0)
        assert EXECUTION in told._channels
        told.unsubscribe(EXECUTION, subscriber)
        await subscribing
        return dict(told._channels), get_engine()._follower._cursors

    assert on_engine(go) == ({}, {})
