"""Cancelled from another process: the final state stands, and nothing of the run commits after it."""

import time

import pytest
from django.db import connection

from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution, ExecutionStep
from tests.survival.agents import subject
from tests.survival.conftest import LONG, SHORT, notes_of, rows_of
from tests.waiting import least_disturbed

pytestmark = pytest.mark.django_db(transaction=True)

HEARTBEAT = {"HEARTBEAT_SECONDS": 1.0, "LEASE_SECONDS": 20.0}  # the defaults


def cancelled(execution):
    assert cancel(execution)
    assert AgentExecution.objects.get(pk=execution.pk).status == "cancelled"


def goes_on(stage, user):
    """The worker is free for other work."""
    later = subject.enqueue("later note done", user=user)
    stage.until_status("completed", later)


def test_while_a_model_request_hangs(stage, user):
    stage.start(**HEARTBEAT)

    def once():
        execution = subject.enqueue("a note @never:note done", user=user)
        stage.until_asked(execution, 1)
        began = time.monotonic()
        cancelled(execution)
        before = rows_of(execution)
        stage.until(lambda: stage.seen("let go", execution))
        seconds = time.monotonic() - began
        goes_on(stage, user)
        assert rows_of(execution) == before
        assert not cancel(execution)
        return seconds

    assert least_disturbed(once, 2) < 2


@pytest.mark.only_on("postgresql")
def test_while_a_tool_sits_in_a_statement(stage, user):
    execution = subject.enqueue("a query done", user=user)
    stage.start(**HEARTBEAT, TOOL_TRANSACTION_SECONDS=600.0)
    stage.until_seen("queries", execution)
    cancelled(execution)
    before = rows_of(execution)

    def statements():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ~ '^SELECT pg_sleep'"
            )
            return cursor.fetchone()[0]

    stage.until(lambda: statements() == 0)
    goes_on(stage, user)
    assert rows_of(execution) == before
    assert notes_of(execution) == []


@pytest.mark.only_on("postgresql")
def test_while_a_tool_sleeps(stage, user):
    execution = subject.enqueue("a sleep done", user=user)
    stage.start(**HEARTBEAT, TOOL_TRANSACTION_SECONDS=600.0)
    stage.until_seen("sleeps", execution)
    cancelled(execution)
    before = rows_of(execution)
    goes_on(stage, user)
    stage.gates.open("wake")
    stage.until_seen("woke", execution)
    goes_on(stage, user)
    assert rows_of(execution) == before
    assert notes_of(execution) == []


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(("tool", "sign"), [("query", "queries"), ("sleep", "sleeps")])
def test_while_a_tool_holds_the_only_write_lock(stage, user, tool, sign):
    """There the tool's own timeout comes first."""
    stage.start(**HEARTBEAT, TOOL_TRANSACTION_SECONDS=1.0)

    def begun():
        """One whose tool holds it; None where its second was over before, on a busy machine."""
        execution = subject.enqueue(f"a {tool} done", user=user)
        rows = AgentExecution.objects.filter(pk=execution.pk)
        stage.until(lambda: stage.seen(sign, execution) or not rows.open().exists())
        return execution if stage.seen(sign, execution) else None

    execution = stage.until(begun)
    cancel(execution)  # waits for the lock, but not for the gate
    assert AgentExecution.objects.get(pk=execution.pk).status in ("cancelled", "completed")
    before = rows_of(execution)
    goes_on(stage, user)
    stage.gates.open("wake")
    goes_on(stage, user)
    assert rows_of(execution) == before
    assert notes_of(execution) == []


@pytest.mark.only_on("sqlite")
def test_statements_cut_off_one_after_another_leave_the_worker_alive(stage, user):
    """Each is undone from another thread than its own."""
    executions = [subject.enqueue(f"r{n} query done", user=user) for n in range(30)]
    worker = stage.start(**{**LONG, "TOOL_TRANSACTION_SECONDS": 0.05})
    stage.until_status("completed", *executions)
    assert (worker.stop(), stage.log()) == (0, "")
    assert [note for execution in executions for note in notes_of(execution)] == []


def test_while_it_is_queued_or_waits_for_its_lease(stage, user):
    execution = subject.enqueue("a @go:note done", user=user)
    worker = stage.start()
    stage.until_asked(execution, 0)
    worker.kill()
    queued = subject.enqueue("b note done", user=user)
    cancelled(execution)
    cancelled(queued)
    stage.gates.open("go")
    stage.start(**SHORT)
    goes_on(stage, user)
    assert not ExecutionStep.objects.filter(execution__in=[execution.pk, queued.pk]).exists()
