"""Processes find what others store: in one query for all that is followed here, and through what breaks."""

import asyncio
import threading
from uuid import UUID

import pytest
from django.db import DatabaseError

from retinue.executions.events import EventId
from retinue.executions.models import ExecutionEvent
from retinue.runtime.events import follower
from retinue.runtime.events.follower import BEGINNING, new_events, newest_id, silent_ends
from retinue.runtime.loop.engine import get_engine
from tests.reader import Reader
from tests.waiting import WAIT_SECONDS, until

pytestmark = pytest.mark.django_db(transaction=True)


def store(execution, seq, epoch=1, kind="text", data=b'{"step":0,"offset":0,"text":"a"}'):
    ExecutionEvent.objects.create(execution=execution, epoch=epoch, seq=seq, kind=kind, data=data)


def test_one_query_finds_what_is_new_in_every_stream(stage, django_assert_num_queries):
    executions = [stage.enqueue("one") for _ in range(20)]
    for place, execution in enumerate(executions):
        for epoch in (1, 2):
            for seq in range(1, 4):
                store(execution, seq, epoch)
        assert newest_id("default", execution.pk) == EventId(2, 3), place
    cursors = dict.fromkeys((each.pk for each in executions), EventId(2, 3))
    cursors[executions[0].pk] = BEGINNING
    cursors[executions[1].pk] = EventId(1, 2)
    cursors[executions[2].pk] = EventId(2, 2)
    with django_assert_num_queries(1):
        found = new_events("default", cursors)
    assert {pk: [str(event.id) for event in events] for pk, events in found.items()} == {
        executions[0].pk: ["1-1", "1-2", "1-3", "2-1", "2-2", "2-3"],
        executions[1].pk: ["1-3", "2-1", "2-2", "2-3"],
        executions[2].pk: ["2-3"],
    }
    with django_assert_num_queries(0):
        assert new_events("default", {}) == {}


def test_nothing_is_stored_yet(stage):
    assert newest_id("default", stage.enqueue("one").pk) is None


def test_ends_without_a_word(stage, django_assert_num_queries):
    told, untold, opened = stage.play("one"), stage.play("one", stream=False), stage.enqueue("one", stream=False)
    gone = UUID(int=1)
    with django_assert_num_queries(3):
        found = silent_ends("default", [told.pk, untold.pk, opened.pk, gone])
    assert set(found) == {untold.pk, gone}
    assert found[gone] is None
    assert found[untold.pk].content["answer"] == "one "


def test_newcomers_at_the_same_time(stage, monkeypatch):
    """One asks where the stream ends, and while he waits, another has come and something is stored."""
    asked, go_on = threading.Event(), threading.Event()

    def slow(alias, execution_id):
        if not asked.is_set():
            asked.set()
            go_on.wait(WAIT_SECONDS)
        return newest_id(alias, execution_id)

    monkeypatch.setattr(follower, "newest_id", slow)
    execution = stage.enqueue("one")
    first = stage.watch(execution)
    asked.wait(WAIT_SECONDS)
    second = stage.watch(execution, beat=0.01)
    until(lambda: second.reader.beats)
    store(execution, 1)
    go_on.set()
    until(lambda: first.reader.ids == second.reader.ids == [EventId(1, 1)])


def test_database_that_is_away_for_a_while(stage, monkeypatch, caplog):
    broken = threading.Event()

    def reads(alias, cursors):
        if broken.is_set():
            raise DatabaseError("away")
        return new_events(alias, cursors)

    monkeypatch.setattr(follower, "new_events", reads)
    execution = stage.enqueue("one")
    watching = stage.watch(execution)
    store(execution, 1)
    until(lambda: watching.reader.ids)
    broken.set()
    until(lambda: "Streams could not be read" in caplog.text)
    store(execution, 2, data=b'{"step":0,"offset":1,"text":"b"}')
    broken.clear()
    until(lambda: watching.reader.text == "ab")


def test_one_that_cannot_be_told_keeps_nobody_from_the_others(stage, monkeypatch, caplog):
    bad, good = stage.enqueue("one"), stage.enqueue("one")

    def reads(alias, cursors):
        if bad.pk in cursors:
            raise ValueError("cannot be told")
        return new_events(alias, cursors)

    monkeypatch.setattr(follower, "new_events", reads)
    watching, other = stage.watch(bad), stage.watch(good)
    until(lambda: "Streams could not be read" in caplog.text)
    watching.leave()
    store(good, 1)
    until(lambda: other.reader.ids)


def test_it_looks_less_often_while_there_is_nothing(stage, monkeypatch, settings):
    settings.RETINUE = {"EVENTS": "poll"}
    looks = []
    monkeypatch.setattr(follower, "LONGEST_PAUSE", 3600.0)
    monkeypatch.setattr(
        follower, "new_events", lambda alias, cursors: looks.append(cursors) or new_events(alias, cursors)
    )
    execution = stage.enqueue("one")
    stage.watch(execution)
    until(lambda: len(looks) == 3)
    pauses = []
    real = asyncio.wait_for

    async def noted(awaitable, timeout):
        pauses.append(timeout)
        return await real(awaitable, 0.001)

    monkeypatch.setattr(asyncio, "wait_for", noted)
    until(lambda: len(pauses) > 5)
    assert pauses == sorted(pauses) and pauses[0] < pauses[5]


def test_cursors_go_with_who_watched(stage):
    execution = stage.enqueue("one")
    watching = [stage.watch(execution, Reader(), beat=0.01) for _ in range(3)]
    until(lambda: all(each.reader.beats for each in watching))
    engine = get_engine()
    assert engine._follower._cursors == {execution.pk: BEGINNING}
    for each in watching:
        each.leave()
    until(lambda: not engine._follower._cursors)
    until(lambda: engine._follower._task.done())
