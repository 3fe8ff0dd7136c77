"""Who watches a run sees all of it once and in order: from any point on, and from any process."""

import asyncio
import threading
from contextlib import aclosing, suppress
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from retinue.agents.registry import registered
from retinue.executions.events import EventId, prune_events, read_events
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution
from retinue.executions.transcript import text_so_far
from retinue.runtime.events import hub, recorder
from retinue.runtime.events.watch import Beat, Stored, watch
from retinue.runtime.loop.engine import close_engine, get_engine
from retinue.testing import run_queued
from retinue.workers.worker import Worker
from tests import death
from tests.reader import Reader, read
from tests.runtime.events import agents
from tests.runtime.events.conftest import until_stored
from tests.waiting import WAIT_SECONDS, until

pytestmark = pytest.mark.django_db(transaction=True)

PLACES = ["here", "elsewhere"]


@pytest.fixture
def work(request, stage):
    """Runs what is queued: in this process, or in another one."""

    def start(where):
        return stage.work() if where == "here" else request.getfixturevalue("elsewhere")()

    return start


def check(execution, *readers):
    """Each of them has the answer that is stored, and all events to the end."""
    execution.refresh_from_db()
    last = execution.events.order_by("epoch", "seq").last()
    for reader in readers:
        assert reader.final["status"] == execution.status
        assert reader.text == text_so_far("default", execution.pk)
        assert reader.ids == [] or reader.ids[-1] == EventId(last.epoch, last.seq)
    if execution.status == "completed":
        assert execution.answer == text_so_far("default", execution.pk).rpartition("\n\n")[2]


def test_text_comes_before_it_is_stored(stage, monkeypatch):
    monkeypatch.setattr(recorder, "STORE_SECONDS", 3600.0)
    monkeypatch.setattr(recorder, "LIVE_SECONDS", 0.0)
    execution = stage.enqueue("one @a two @b three")
    seen = []

    async def follow():
        async with aclosing(watch(execution.pk)) as items:
            async for item in items:
                if isinstance(item, Stored):
                    seen.append(("stored", str(item.id)))
                elif not isinstance(item, Beat):
                    seen.append((item.kind, str(item.id or ""), item.content.get("text", "")))
                if seen[-1][-1] == "two ":
                    stage.open("b")
                if seen[-1][1] == "1-2":
                    stage.open("a")

    stage.work()
    async_to_sync(follow)()
    if seen[1] == ("text", "1-2", "one "):  # he came after it was stored
        seen[1:2] = [("text", "", "one "), ("stored", "1-2")]
    assert seen == [
        ("state", "1-1", ""),
        ("text", "", "one "),
        ("stored", "1-2"),
        ("text", "", "two "),
        ("text", "", "three "),
        ("stored", "1-3"),
        ("final", "1-4", ""),
    ]


@pytest.mark.parametrize("where", PLACES)
def test_watchers_come_at_every_point(stage, work, where):
    execution = stage.enqueue("~hm one @a two @b three !note | four @c five @d six | never")
    watching = [stage.watch(execution)]
    work(where)
    for gate, text in (
        ("a", "one "),
        ("b", "one two "),
        ("c", "one two three \n\nfour "),
        ("d", "one two three \n\nfour five "),
    ):
        until(lambda text=text: all(each.reader.text == text for each in watching))
        watching.append(stage.watch(execution))
        known = watching[0].reader.last
        watching.append(stage.watch(execution, Reader(after=known)))
        until(lambda: watching[-2].reader.text == watching[0].reader.text)
        stage.open(gate)
        watching.append(stage.watch(execution))
        # The one that came with a place has not what was before it.
        rest = watching.pop(-2)
        until(lambda rest=rest, known=known: rest.reader.last != known or rest.over)
        assert rest.reader.ids[0] in (EventId(known.epoch, known.seq + 1),)
    readers = [each.end() for each in watching]
    readers.append(stage.watch(execution).end())
    check(execution, *readers)
    assert {tuple(reader.kinds()) for reader in readers} == {
        ("state", "thinking", "text", "tool_call", "tool_result", "text", "final")
    }
    assert (readers[0].live > 0) == (where == "here")


def test_rest_after_every_place(stage):
    execution = stage.play("~hm one two !note | three four !sell | never")
    execution_id = execution.pk
    cancel(execution)
    events = read_events("default", execution_id)
    assert len(events) > 8
    for number, event in enumerate(events):
        got = stage.watch(execution, Reader(after=event.id)).end()
        assert got.ids == [each.id for each in events[number + 1 :]]
        assert got.events == [(each.kind, each.content) for each in events[number + 1 :]]


@pytest.mark.parametrize("where", PLACES)
def test_watcher_that_comes_and_goes(stage, work, where):
    """He goes on from the last place that he knows, whatever was told to him without one."""
    execution = stage.enqueue("one two @a three @b four !note | five @c six")
    work(where)
    reader, gates = Reader(), ["a", "b", "c"]
    while reader.final is None:
        before = len(reader.events)
        watching = stage.watch(execution, reader, leave=lambda reader, before=before: len(reader.events) > before)
        if gates and (reader.text.endswith(("two ", "three ", "five "))):
            stage.open(gates.pop(0))
        else:
            until(lambda w=watching: w.over or reader.text.endswith(("two ", "three ", "five ")))
        if not watching.over and gates and reader.text.endswith(("two ", "three ", "five ")):
            stage.open(gates.pop(0))
        watching.end()
    check(execution, reader)


@pytest.mark.parametrize("where", PLACES)
def test_slow_watcher_loses_nothing(stage, work, where, monkeypatch):
    monkeypatch.setattr(hub, "MOST_WAITING", 3)
    monkeypatch.setattr(recorder, "STORE_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "LIVE_SECONDS", 0.0)
    over = threading.Event()
    execution = stage.enqueue("begin @a " + "word " * 50 + "end")

    def sleeps(reader):
        """Holds his loop up until the run is over."""
        if reader.text == "begin ":
            over.wait(WAIT_SECONDS)
        return False

    slow, quick = stage.watch(execution, leave=sleeps), stage.watch(execution)
    work(where)
    until(lambda: slow.reader.text == quick.reader.text == "begin ")
    stage.open("a")
    quick.end()
    over.set()
    check(execution, slow.end(), quick.reader)


def test_beats(stage):
    execution = stage.enqueue("one")
    watching = stage.watch(execution, beat=0.01)
    until(lambda: watching.reader.beats > 2)
    stage.work()
    check(execution, watching.end())


# What has no events


def test_run_that_is_not_streamed_has_its_end(stage):
    execution = stage.enqueue("one two", stream=False)
    early = stage.watch(execution)
    stage.work()
    readers = [early.end(), stage.watch(execution).end()]
    for reader in readers:
        assert (reader.kinds(), reader.ids, reader.final["answer"]) == (["final"], [], "one two ")


def test_events_that_were_pruned(stage):
    execution = stage.play("one two")
    assert prune_events("default", timezone.now()) == 4
    for after in (None, EventId(1, 2)):
        reader = stage.watch(execution, Reader(after=after)).end()
        assert (reader.kinds(), reader.ids, reader.final["answer"]) == (["final"], [], "one two ")


def test_execution_that_is_not_there(stage):
    missing = AgentExecution(pk=uuid4())
    assert stage.watch(missing).end() == Reader()


def test_execution_that_is_deleted_while_it_is_watched(stage):
    execution = stage.enqueue("one")
    watching = stage.watch(execution, beat=0.01)
    until(lambda: watching.reader.beats)
    execution.delete()
    assert watching.end().final is None


def test_cancelled_where_it_is_watched(stage):
    execution = stage.enqueue("one two @never")
    watching = stage.watch(execution)
    stage.work()
    until_stored(execution, "one two ")
    cancel(execution)
    check(execution, watching.end())


# Processes that come to their end


def test_engine_that_is_closed_ends_its_streams(stage):
    execution = stage.enqueue("one")
    watching = stage.watch(execution, beat=0.01)
    until(lambda: watching.reader.beats)
    close_engine()
    assert watching.end().final is None
    again = stage.watch(execution)
    stage.work()
    check(execution, again.end())


def test_lease_that_is_lost(stage, settings):
    """Another process has it now; what this one goes on to say is not said any more."""
    settings.RETINUE = {"HEARTBEAT_SECONDS": 0.02}
    execution = stage.enqueue("one two @a three")
    watching = stage.watch(execution)
    stage.work()
    until(lambda: watching.reader.text == "one two ")
    AgentExecution.objects.filter(pk=execution.pk).update(status="queued", lease_token=uuid4())
    until(lambda: watching.reader.of("reset"))
    stage.open("a")
    reader = watching.end()
    check(execution, reader)
    assert [content["resumed"] for content in reader.of("state")] == [False, True]
    assert reader.of("reset") == [{"step": 1}, {"step": 0}]


def test_words_that_were_not_stored_are_taken_back_with_an_end_from_outside(stage, monkeypatch):
    monkeypatch.setattr(recorder, "STORE_SECONDS", 3600.0)
    execution = stage.enqueue("one @a two three @never four")
    watching = stage.watch(execution)
    stage.work()
    until(lambda: watching.reader.text == "one ")
    stage.open("a")
    until(lambda: watching.reader.text == "one two three ")
    assert text_so_far("default", execution.pk) == "one "
    assert cancel(execution)
    reader = watching.end()
    check(execution, reader)
    assert reader.text == "one "


@pytest.mark.parametrize("after", [EventId(9, 9), EventId(1, 99)])
def test_end_comes_even_to_who_says_he_has_what_is_not_there_yet(stage, after):
    execution = stage.enqueue("one @a two")
    watching = stage.watch(execution, Reader(after=after), beat=0.01)
    until(lambda: watching.reader.beats)
    stage.open("a")
    stage.work()
    until(lambda: watching.over)


def test_last_words_of_another_process_are_not_passed_over(stage, elsewhere, settings, monkeypatch):
    """The run comes here before this process has looked for what the other one told of it."""
    from retinue.runtime.events import follower

    settings.RETINUE = {"EVENTS": "poll"}
    execution = stage.enqueue("one @a two !note | three @b four")
    watching = stage.watch(execution, beat=0.01)
    until(lambda: watching.reader.beats)
    for name in ("SHORTEST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(follower, name, 3600.0)
    get_engine()
    worker = elsewhere()
    stage.open("a")
    until_stored(execution, "one two \n\nthree ")
    assert worker.stop() == 0
    until(lambda: AgentExecution.objects.filter(pk=execution.pk, status="queued").exists())
    stage.open("b")
    stage.work()
    reader = watching.end()
    check(execution, reader)
    assert [state["status"] for state in reader.of("state")] == ["running", "queued", "running"]


def test_worker_killed_in_mid_answer(stage, elsewhere):
    execution = stage.enqueue("one !note | two @a three @b four")
    early = stage.watch(execution)
    first = elsewhere()
    stage.open("a")
    until(lambda: early.reader.text == "one \n\ntwo three ")
    first.kill()
    late = stage.watch(execution)
    until(lambda: late.reader.text == early.reader.text)
    elsewhere()
    until(lambda: early.reader.of("reset"))
    stage.open("b")
    readers = [early.end(), late.end(), stage.watch(execution).end()]
    check(execution, *readers)
    for reader in readers:
        assert [content["resumed"] for content in reader.of("state")] == [False, True]
        assert reader.of("reset") == [{"step": 2}, {"step": 1}]
        assert len(reader.of("tool_call")) == len(reader.of("tool_result")) == 1


@pytest.mark.parametrize(
    ("steps", "resets"),
    [(0, []), (1, [{"step": 1}]), (2, [{"step": 1}]), (3, [{"step": 2}])],
    ids=["nothing", "an answer", "a result", "the next answer"],
)
def test_death_after_each_step(stage, monkeypatch, steps, resets):
    """What is on record is not asked for again: the rest of it is told, and nothing that was told is void."""
    monkeypatch.setattr(recorder, "STORE_SECONDS", 3600.0)
    execution = stage.enqueue("one two three !note | four five !note | six seven")
    early = stage.watch(execution)
    with death.at(death.after_steps(steps)), pytest.raises(death.Died):
        run_queued()
    death.orphaned()
    run_queued()
    readers = [early.end(), stage.watch(execution).end()]
    check(execution, *readers)
    for reader in readers:
        assert reader.text == "one two three \n\nfour five \n\nsix seven "
        assert reader.of("reset") == resets
        assert len(reader.of("tool_call")) == len(reader.of("tool_result")) == 2


@pytest.mark.parametrize("point", ["before-journal-commit", "after-journal-commit"])
def test_death_at_every_commit(stage, point):
    for number in range(1, 40):
        execution = stage.enqueue("one two !note | three four")
        early = stage.watch(execution)
        dead = death.Death(point, number)
        with death.at(dead), suppress(death.Died):
            run_queued()
        AgentExecution.objects.filter(pk=execution.pk, status="running").update(status="queued")
        run_queued()
        readers = [early.end(), stage.watch(execution).end()]
        check(execution, *readers)
        for reader in readers:
            assert reader.text == "one two \n\nthree four "
            assert len(reader.of("tool_call")) == len(reader.of("tool_result")) == 1
        if not dead.dead:
            break
    else:
        raise AssertionError("It never came through.")
    assert number > 5


# Many


def tell(number):
    return f"s{number} " + " ".join(f"w{place}" for place in range(10)) + " @go " + "x" * 20 + " !note | the end"


@pytest.mark.parametrize("where", PLACES)
def test_thousand_watchers_of_hundred_streams(stage, where, request):
    executions = [stage.enqueue(tell(number)) for number in range(100)]

    async def follow_all():
        readers = [Reader() for _ in range(1000)]
        tasks = [
            asyncio.create_task(read(executions[number % 100].pk, reader)) for number, reader in enumerate(readers)
        ]
        while not all(reader.text for reader in readers):
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.1)
        stage.open("go")
        await asyncio.gather(*tasks)
        return readers

    if where == "here":
        worker = Worker(concurrency=100)
        with registered(*agents.AGENTS):
            worker.start()
            readers = asyncio.run(follow_all())
            worker.stop()
    else:
        request.getfixturevalue("elsewhere")()
        readers = asyncio.run(follow_all())
    places = {execution.pk: [event.id for event in read_events("default", execution.pk)] for execution in executions}
    for number, reader in enumerate(readers):
        execution = executions[number % 100]
        assert reader.ids == places[execution.pk]
        assert reader.text == f"{tell(number % 100).replace('@go ', '').replace('!note | ', chr(10) * 2)} "
        assert reader.final["status"] == "completed"


@pytest.mark.parametrize("where", PLACES)
def test_nothing_is_left_of_those_who_leave(stage, work, where):
    execution = stage.enqueue("one @a two")
    work(where)
    until_stored(execution, "one ")

    async def come_and_go():
        tasks = [asyncio.create_task(read(execution.pk)) for _ in range(500)]
        for number, task in enumerate(tasks):
            if number % 5 == 0:
                await asyncio.sleep(0)
            task.cancel()  # some of them before they have begun
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks = [asyncio.create_task(read(execution.pk, leave=lambda reader: bool(reader.text))) for _ in range(50)]
        await asyncio.gather(*tasks)

    asyncio.run(come_and_go())
    engine = get_engine()

    async def left():
        return [each for channel in engine.hub._channels.values() for each in channel.subscribers]

    until(lambda: not engine.submit(left).result())
    until(lambda: not engine._follower._cursors and (engine._follower._task is None or engine._follower._task.done()))
    stage.open("a")
    check(execution, stage.watch(execution).end())
