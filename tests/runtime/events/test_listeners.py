"""Processes that hear from each other, and what becomes of their streams when nobody tells them any more."""

import threading

import pytest
from django.db import connection, transaction

from retinue.executions.announcements import announce
from retinue.executions.models import ExecutionEvent
from retinue.executions.transcript import text_so_far
from retinue.runtime.events import follower, listeners
from retinue.runtime.events.listeners import PostgreSQLListener, RedisListener, listener_for
from retinue.runtime.loop.engine import get_engine
from tests import servers
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def never_looks(monkeypatch):
    """What is not heard of is not found."""
    monkeypatch.setattr(follower, "SAFETY_SECONDS", 3600.0)
    monkeypatch.setattr(listeners, "PAUSE", 0.01)


@pytest.fixture(params=[pytest.param("postgresql", marks=pytest.mark.only_on("postgresql")), "redis"])
def heard(request, settings):
    """One way by which processes hear of each other."""
    settings.RETINUE = {"EVENTS": servers.redis_url() if request.param == "redis" else "auto"}
    return settings.RETINUE


def listener():
    return get_engine()._follower._listener


def store(execution, seq, text):
    data = f'{{"step":0,"offset":{seq - 1},"text":"{text}"}}'.encode()
    with transaction.atomic():
        ExecutionEvent.objects.create(execution=execution, epoch=1, seq=seq, kind="text", data=data)
        announce("default", [execution.pk])


def test_what_is_said_with_a_commit_is_heard(stage, heard, never_looks):
    execution = stage.enqueue("one")
    watching = stage.watch(execution)
    until(lambda: listener() is not None and listener().connected)
    for seq, text in enumerate("abcd", 1):
        store(execution, seq, text)
        until(lambda seq=seq: watching.reader.text == "abcd"[:seq])


def test_run_of_another_process(stage, elsewhere, heard, never_looks):
    execution = stage.enqueue("one @a two !note | three @b four")
    watching = stage.watch(execution)
    until(lambda: listener() is not None and listener().connected)
    elsewhere(**heard)
    until(lambda: watching.reader.text == "one ")
    stage.open("a", "b")
    assert watching.end().text == text_so_far("default", execution.pk) == "one two \n\nthree four "


@pytest.mark.only_on("postgresql")
def test_connection_that_is_cut_is_made_again(stage, never_looks, monkeypatch, caplog):
    monkeypatch.setattr(listeners, "PAUSE", 3600.0)
    execution = stage.enqueue("one")
    watching = stage.watch(execution)
    until(lambda: listener() is not None and listener().connected)
    store(execution, 1, "a")
    until(lambda: watching.reader.text == "a")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND query LIKE 'LISTEN%%'"
        )
        assert cursor.fetchall() == [(True,)]
    until(lambda: not listener().connected)
    store(execution, 2, "b")  # found by looking, as nobody tells of it
    until(lambda: watching.reader.text == "ab")
    assert "looking for them instead" in caplog.text


def test_redis_that_dies_and_comes_back(stage, settings, never_looks, tmp_path, caplog):
    execution = stage.enqueue("one")
    with servers._redis(tmp_path) as url:
        settings.RETINUE = {"EVENTS": url}
        watching = stage.watch(execution)
        until(lambda: listener() is not None and listener().connected)
        store(execution, 1, "a")
        until(lambda: watching.reader.text == "a")
    until(lambda: not listener().connected)
    store(execution, 2, "b")  # nobody can be told
    until(lambda: watching.reader.text == "ab")
    assert "looking for them instead" in caplog.text
    assert "Redis was not told of new events" in caplog.text


def test_redis_that_never_was_there(stage, elsewhere, settings, never_looks):
    settings.RETINUE = {"EVENTS": "redis://127.0.0.1:1/0"}
    execution = stage.enqueue("one two three !note | four")
    watching = stage.watch(execution)
    elsewhere(**settings.RETINUE)
    assert watching.end().text == "one two three \n\nfour "


@pytest.mark.only_on("sqlite")
def test_nobody_listens_on_sqlite():
    assert listener_for("default", lambda execution_id: None) is None


def test_nobody_listens_where_the_site_polls(settings):
    settings.RETINUE = {"EVENTS": "poll"}
    assert listener_for("default", lambda execution_id: None) is None


def test_listeners_end_when_told(heard):
    connected = threading.Event()
    kind = RedisListener if "://" in heard["EVENTS"] else PostgreSQLListener
    started = listener_for("default", lambda execution_id: connected.set())
    assert isinstance(started, kind)
    connected.wait(30)
    assert started.connected
    started.stop()
    started.join(30)
    assert not started.is_alive()


def test_engine_that_ends_takes_its_listener_along(stage, heard):
    from retinue.runtime.loop.engine import close_engine

    stage.watch(stage.enqueue("one"))
    until(lambda: listener() is not None and listener().connected)
    thread = listener()
    close_engine()
    assert not thread.is_alive()
