"""A worker that stood still while its lease ran out changes nothing when it goes on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution
from retinue.executions.states import FINAL
from retinue.runtime.journal.claim import Claim
from retinue.runtime.journal.ending import End
from retinue.runtime.journal.lookups import Renew
from retinue.runtime.journal.statements.endings import Ending
from retinue.runtime.journal.writer import flush
from retinue.runtime.run import LeaseLost
from tests.survival.agents import subject
from tests.survival.conftest import LONG, notes_of, rows_of

pytestmark = pytest.mark.django_db(transaction=True)


def let_it_try(stage, worker, user):
    """Wait until a worker that goes on has done all it still wanted: it has come as far as another execution's end."""
    later = subject.enqueue("later done", user=user)
    stage.until_status("completed", later)
    assert {fact["pid"] for fact in stage.seen("asked", later)} == {worker.pid}


def test_worker_stopped_in_a_model_request(stage, user):
    execution = subject.enqueue("a note @go:note done", user=user)
    first = stage.start()
    stage.until_asked(execution, 1, by=first)
    stage.freeze(first)
    second = stage.start(**LONG)
    stage.until_asked(execution, 1, by=second)
    stage.gates.open("go", second.pid)
    stage.until_status("completed", execution)
    second.stop()
    before = rows_of(execution)
    stage.gates.open("go", first.pid)
    first.send("SIGCONT")
    let_it_try(stage, first, user)
    assert rows_of(execution) == before
    assert notes_of(execution) == ["note c0a", "note c1a"]
    assert not stage.seen("reasked")


def test_worker_stopped_while_another_still_runs_it(stage, user):
    """Nor does it touch the row of an execution that is under way elsewhere."""
    execution = subject.enqueue("a @go:note done", user=user)
    zeroth = stage.start()
    stage.until_asked(execution, 0, by=zeroth)
    zeroth.kill()
    first = stage.start()
    stage.until_asked(execution, 0, by=first)
    stage.freeze(first)
    second = stage.start(**LONG, MAX_ATTEMPTS=9, concurrency=1)
    stage.until_asked(execution, 0, by=second)
    stage.gates.open("go", first.pid)
    first.send("SIGCONT")
    let_it_try(stage, first, user)
    now = AgentExecution.objects.get(pk=execution.pk)
    assert (now.status, now.attempts) == ("running", 2)
    assert rows_of(execution)[1:] == []
    stage.gates.open("go")
    stage.until_status("completed", execution)
    assert notes_of(execution) == ["note c0a"]


def test_worker_stopped_between_two_steps_asks_nothing_that_was_asked_since(stage, user):
    execution = subject.enqueue("a note done", user=user)
    first = stage.start(trap=("after-tool-commit", 1, "SIGSTOP"))
    stage.until(lambda: notes_of(execution))
    second = stage.start(**LONG)
    stage.until_status("completed", execution)
    second.stop()
    before = rows_of(execution)
    first.send("SIGCONT")
    let_it_try(stage, first, user)
    assert rows_of(execution) == before
    assert [fact["pid"] for fact in stage.seen("asked", execution)] == [first.pid, second.pid]
    assert not stage.seen("reasked")


def test_worker_stopped_alone_goes_on_where_it_was(stage, user):
    """It does not take its own execution over from itself."""
    execution = subject.enqueue("a @go:note @on:note done", user=user)
    worker = stage.start()
    stage.until_asked(execution, 0)
    stage.freeze(worker)
    lease = AgentExecution.objects.get(pk=execution.pk).lease_expires
    stage.until(lambda: timezone.now() > lease)
    worker.send("SIGCONT")
    stage.until(lambda: AgentExecution.objects.get(pk=execution.pk).lease_expires > timezone.now())
    stage.gates.open("go")
    stage.until_asked(execution, 1)
    stage.gates.open("on")
    stage.until_status("completed", execution)
    assert len(stage.seen("asked", execution)) == 3
    assert notes_of(execution) == ["note c0a", "note c1a"]


def test_worker_whose_loop_hangs_loses_its_leases(stage, user):
    """Its heartbeat, on a thread that still turns, does not keep them for it."""
    execution = subject.enqueue("a block note done", user=user)
    first = stage.start()
    stage.until_seen("blocks", execution)
    second = stage.start(**LONG)
    stage.gates.open("wake", second.pid)
    stage.until_status("completed", execution)
    second.stop()
    before = rows_of(execution)
    stage.gates.open("wake", first.pid)
    let_it_try(stage, first, user)
    assert rows_of(execution) == before
    assert notes_of(execution) == ["note c1a"]
    assert not stage.seen("reasked")


@pytest.mark.only_on("postgresql")
def test_worker_stopped_inside_a_transactional_tool(stage, user):
    execution = subject.enqueue("a sleep done", user=user)
    first = stage.start(TOOL_TRANSACTION_SECONDS=600)
    stage.until_seen("sleeps", execution)
    first.send("SIGSTOP")
    second = stage.start(**LONG)
    stage.gates.open("wake", second.pid)
    stage.until_status("completed", execution)
    second.stop()
    before = rows_of(execution)
    first.send("SIGCONT")
    stage.gates.open("wake", first.pid)
    stage.until_seen("woke", execution, times=2)
    let_it_try(stage, first, user)
    assert rows_of(execution) == before
    assert notes_of(execution) == ["before sleep", "after sleep"]


@pytest.mark.only_on("postgresql")
def test_worker_stopped_in_the_middle_of_a_commit_holds_nobody_else_up(stage, user):
    """It has the execution's row locked: others pass it by, also where they would have it fail."""
    execution = subject.enqueue("a note done", user=user)
    first = stage.start(trap=("before-tool-commit", 1, "SIGSTOP"))
    stage.until_asked(execution, 0, by=first)
    second = stage.start(**LONG, MAX_ATTEMPTS=1)
    lease = AgentExecution.objects.get(pk=execution.pk).lease_expires
    stage.until(lambda: timezone.now() > lease + timedelta(seconds=1))
    later = subject.enqueue("later note done", user=user)
    stage.until_asked(later, 1, by=second)
    stage.until_status("completed", later)
    assert AgentExecution.objects.get(pk=execution.pk).status == "running"
    first.send("SIGCONT")
    stage.until(lambda: AgentExecution.objects.get(pk=execution.pk).status in FINAL)
    assert notes_of(execution) == ["note c0a"]


@pytest.mark.only_on("sqlite")
def test_worker_stopped_inside_a_transactional_tool_holds_the_only_write_lock(stage, user):
    """SQLite lets nobody else write meanwhile: the lease cannot be taken, and the effect is there once."""
    execution = subject.enqueue("a sleep done", user=user)
    first = stage.start(TOOL_TRANSACTION_SECONDS=600)
    stage.until_seen("sleeps", execution)
    first.send("SIGSTOP")
    lease = AgentExecution.objects.get(pk=execution.pk).lease_expires
    stage.start(**LONG)
    stage.until(lambda: timezone.now() > lease + timedelta(seconds=1))
    first.send("SIGCONT")
    stage.gates.open("wake")
    stage.until_status("completed", execution)
    assert notes_of(execution) == ["before sleep", "after sleep"]
    assert len(stage.seen("sleeps", execution)) == 1


def test_lease_of_one_run_is_no_lease_for_another_in_the_same_batch(user):
    """A process may hold an execution anew while the run that lost it still winds down."""
    with registered(subject):
        execution = subject.enqueue("a done", user=user)
    (stale,) = flush("default", [Claim()])[0]
    AgentExecution.objects.update(status="queued")
    (current,) = flush("default", [Claim()])[0]
    endings = [
        Ending(execution_id=execution.pk, token=run.token, status=status)
        for run, status in [(stale, "failed"), (current, "waiting")]
    ]
    refused, _ = flush("default", [Renew(run=stale), Renew(run=current)])
    assert isinstance(refused, LeaseLost)
    flush("default", [End(run=stale, ending=endings[0]), End(run=current, ending=endings[1])])
    assert AgentExecution.objects.get().status == "waiting"
