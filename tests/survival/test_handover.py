"""A worker that is told to stop hands everything back, and others go on at once: no lease runs out here."""

import pytest

from retinue.executions.models import AgentExecution
from tests.survival.agents import subject
from tests.survival.conftest import LONG, notes_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_fifty_runs_go_on_elsewhere(stage, user):
    """Half of them finish a request while the worker stops, half are cut in one."""
    quick = [subject.enqueue(f"q{n} note @soon:note @go:note done", user=user) for n in range(25)]
    slow = [subject.enqueue(f"s{n} note @go:note done", user=user) for n in range(25)]
    first = stage.start(**LONG, GRACE_SECONDS=3.0)
    for execution in quick + slow:
        stage.until_asked(execution, 1, by=first)
    second = stage.start(**LONG)
    first.send("SIGTERM")
    stage.gates.open("soon", first.pid)
    assert first.wait() == 0
    stage.gates.open("soon")  # for those that were too slow: on a busy machine some are
    assert [execution for execution in quick if not asked_by(stage, execution, 1, second)]
    for execution in quick:
        stage.until_asked(execution, 2, by=second)
    for execution in slow:
        stage.until_asked(execution, 1, by=second)
    stage.gates.open("go")
    stage.until_status("completed", *quick, *slow)
    assert {tuple(notes_of(e)) for e in quick} == {("note c0a", "note c1a", "note c2a")}
    assert {tuple(notes_of(e)) for e in slow} == {("note c0a", "note c1a")}
    assert not stage.seen("reasked")
    assert set(AgentExecution.objects.values_list("attempts", flat=True)) == {0}


def asked_by(stage, execution, number, worker):
    return [fact for fact in stage.seen("asked", execution) if (fact["number"], fact["pid"]) == (number, worker.pid)]


def test_what_is_claimed_as_the_worker_stops_is_handed_back_too(stage, user):
    executions = [subject.enqueue(f"r{n} @go:note done", user=user) for n in range(5)]
    worker = stage.start(trap=("before-journal-commit", 1, "SIGTERM"), **LONG)
    assert worker.wait() == 0
    assert set(AgentExecution.objects.values_list("status", "attempts")) == {("queued", 0)}
    stage.gates.open("go")
    stage.start()
    stage.until_status("completed", *executions)


def test_run_whose_tool_does_not_end_is_handed_back(stage, user):
    execution = subject.enqueue("a sleep done", user=user)
    first = stage.start(**LONG, GRACE_SECONDS=0.3)
    stage.until_seen("sleeps", execution)
    first.send("SIGTERM")
    second = stage.start(**LONG)
    stage.until(lambda: {fact["pid"] for fact in stage.seen("sleeps")} == {first.pid, second.pid})
    stage.gates.open("wake")
    stage.until_status("completed", execution)
    assert notes_of(execution) == ["before sleep", "after sleep"]
