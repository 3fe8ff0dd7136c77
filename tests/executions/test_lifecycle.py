"""The states of an execution: only the ways between them that are meant, whoever asks and when."""

import asyncio
import json
import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.errors import AlreadyDecided, ExecutionCancelled, ExecutionFailed, ExecutionWaiting, IllegalTransition
from retinue.executions.lifecycle import cancel, fail
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.executions.states import FINAL, OPEN, TRANSITIONS, Status
from retinue.runtime.journal.claim import Claim
from retinue.runtime.journal.statements.endings import Ending, end_executions
from retinue.runtime.loop.engine import get_engine
from retinue.signals import execution_finished
from retinue.workers.sweep import fail_hopeless
from tests.scripted import call, scripted
from tests.shop.models import Note
from tests.waiting import WAIT_SECONDS, least_disturbed, opened, until

pytestmark = pytest.mark.django_db(transaction=True)

PAST = timedelta(seconds=-5)


def made(user, status, **values):
    """An execution in this state, with all that would let something happen to it."""
    pk, now = uuid.uuid4(), timezone.now()
    leased = {"lease_token": uuid.uuid4(), "lease_expires": now + PAST, "attempts": 2}
    if status == Status.WAITING:
        leased = {"run_after": now + PAST}
    if status in FINAL or status == Status.QUEUED:
        leased = {}
    if status in FINAL:
        leased = {"completed_at": now, "error_code": "was", "output_data": "was"}
    execution = AgentExecution.objects.create(
        id=pk,
        root_id=pk,
        agent_name="made",
        principal_type="user",
        principal_key=str(user.pk),
        user=user,
        status=status,
        **{**leased, **values},
    )
    Approval.objects.create(execution=execution, key="k", tool_name="t", arguments_json=b"{}", digest=b"")
    return execution


def ending(status):
    """What a run does at its end, with its lease's token."""

    def end(execution, user):
        token = execution.lease_token or uuid.uuid4()
        end_executions("default", [Ending(execution_id=execution.pk, token=token, status=status)])

    return end


def claiming(**how):
    def claim(execution, user):
        from django.db import transaction

        with transaction.atomic():
            Claim(ids=[execution.pk], **how).claim("default")

    return claim


def deciding(execution, user):
    try:
        approve(execution.approvals.get(), by=user)
    except AlreadyDecided:
        assert execution.is_final


VERBS = {
    "cancel": lambda execution, user: cancel(execution),
    "fail": lambda execution, user: fail(execution, "code", "message"),
    "mark_completed": lambda execution, user: execution.mark_completed("x"),
    "mark_failed": lambda execution, user: execution.mark_failed("code", "message"),
    "claim": claiming(),
    "claim_due": claiming(due=True),
    "claim_expired": claiming(expired=True),
    "approve": deciding,
    "fail_hopeless": lambda execution, user: fail_hopeless("default"),
    **{f"end_{status}": ending(status) for status in ("queued", "waiting", "completed", "failed")},
}
EXPECTED = {
    Status.QUEUED: {"cancel": "cancelled", "fail": "failed", "mark_failed": "failed", "claim": "running"},
    Status.RUNNING: {
        "cancel": "cancelled",
        "fail": "failed",
        "mark_completed": "completed",
        "mark_failed": "failed",
        "claim_expired": "running",
        "fail_hopeless": "failed",
        **{f"end_{status}": status for status in ("queued", "waiting", "completed", "failed")},
    },
    Status.WAITING: {
        "cancel": "cancelled",
        "fail": "failed",
        "mark_failed": "failed",
        "claim_due": "running",
        "approve": "queued",
    },
}


def row(execution):
    return AgentExecution.objects.filter(pk=execution.pk).values().get()


@pytest.mark.parametrize("status", Status)
def test_only_what_may_follow_follows(user, status):
    for verb, act in VERBS.items():
        execution = made(user, status)
        before = row(execution)
        act(execution, user)
        after = row(execution)
        expected = EXPECTED.get(status, {}).get(verb)
        if expected is None:
            assert after == before, verb
        else:
            assert after["status"] == expected, verb
            assert Status(expected) in TRANSITIONS[status], verb
        execution.delete()


def test_every_transition_of_the_table_happens():
    """`running` ends in each way; nothing in the table is there for nothing."""
    assert TRANSITIONS.keys() == set(Status)
    assert {status: set(EXPECTED.get(status, {}).values()) for status in Status} == {
        status: {str(after) for after in afters} for status, afters in TRANSITIONS.items()
    }
    assert {status for status in Status if not TRANSITIONS[status]} == FINAL
    assert OPEN.isdisjoint(FINAL) and set(Status) == OPEN | FINAL


def test_wrong_lease_ends_nothing(user):
    execution = made(user, Status.RUNNING)
    before = row(execution)
    end_executions("default", [Ending(execution_id=execution.pk, token=uuid.uuid4(), status="completed")])
    assert row(execution) == before


def test_receiver_that_fails_is_no_matter_of_who_cancels(user):
    def listen(execution, **kwargs):
        raise RuntimeError("broken")

    execution = made(user, Status.RUNNING)
    execution_finished.connect(listen)
    try:
        assert cancel(execution) is True
    finally:
        execution_finished.disconnect(listen)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_cancelled(user, status):
    execution = made(user, status)
    told = []

    def listen(execution, **kwargs):
        told.append((execution.pk, execution.status))

    execution_finished.connect(listen)
    try:
        assert cancel(execution) is True
        assert cancel(execution) is False
    finally:
        execution_finished.disconnect(listen)
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("cancelled", "cancelled")
    assert execution.error_message == "The run was cancelled."
    assert (execution.lease_token, execution.lease_expires) == (None, None)
    assert execution.completed_at is not None
    assert told == [(execution.pk, "cancelled")]


def test_cancelling_a_child_cancels_the_whole_run(user):
    root = made(user, Status.RUNNING)
    child = made(user, Status.RUNNING, parent=root, path="/a")
    done = made(user, Status.COMPLETED, parent=root, path="/b")
    AgentExecution.objects.filter(pk__in=[child.pk, done.pk]).update(root=root)
    child.refresh_from_db()
    assert cancel(child)
    assert {e.pk: e.status for e in AgentExecution.objects.all()} == {
        root.pk: "cancelled", child.pk: "cancelled", done.pk: "completed",
    }  # fmt: skip


def test_cancelled_with_its_callers_transaction(user):
    """A view that fails after it cancelled has cancelled nothing."""
    from django.db import transaction

    execution, told = made(user, Status.QUEUED), []

    def listen(**kwargs):
        told.append(1)

    execution_finished.connect(listen)
    try:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            assert cancel(execution)
            raise ZeroDivisionError
    finally:
        execution_finished.disconnect(listen)
    execution.refresh_from_db()
    assert (execution.status, told) == ("queued", [])


def test_marks_are_conditional_and_show_on_the_object(user):
    execution = made(user, Status.RUNNING)
    other = AgentExecution.objects.get(pk=execution.pk)
    assert execution.mark_completed({"answer": 42}) is True
    assert (execution.status, execution.output_data, execution.lease_token) == ("completed", {"answer": 42}, None)
    assert other.mark_failed("late", "Too late.") is False
    assert (other.status, other.error_code) == ("running", "")  # what it was when read
    other.refresh_from_db()
    assert (other.status, other.output_data, other.error_code) == ("completed", {"answer": 42}, "")
    assert other.completed_at == execution.completed_at


@pytest.mark.parametrize(
    ("mark", "status"),
    [
        (lambda execution: execution.mark_completed("x"), "completed"),
        (lambda execution: execution.mark_failed("by_hand", "Somebody said so."), "failed"),
    ],
)
def test_marks_end_what_hangs_on_the_run(user, mark, status):
    root = made(user, Status.RUNNING)
    child = made(user, Status.WAITING, parent=root, path="/a")
    AgentExecution.objects.filter(pk=child.pk).update(root=root)
    told = []

    def listen(execution, **kwargs):
        told.append((execution.pk, execution.status))

    execution_finished.connect(listen)
    try:
        assert mark(root)
        assert not mark(root)
    finally:
        execution_finished.disconnect(listen)
    assert told == [(root.pk, status)]
    assert set(AgentExecution.objects.values_list("status", flat=True)) == {status}
    assert set(Approval.objects.values_list("status", flat=True)) == {"expired"}


def test_delegated_run_is_not_completed_by_hand(user):
    root = made(user, Status.RUNNING)
    child = made(user, Status.RUNNING, parent=root, path="/a")
    with pytest.raises(IllegalTransition):
        child.mark_completed("x")
    assert set(AgentExecution.objects.values_list("status", flat=True)) == {"running"}


# --- a run of this very process


class Caller(threading.Thread):
    """Calls run_sync; `error` and `output` say what came of it, `ended` when."""

    def __init__(self, agent, user):
        super().__init__()
        self.agent, self.user = agent, user
        self.output = self.error = None
        self.ended = 0.0
        self.start()

    def run(self):
        try:
            self.output = self.agent.run_sync("Go", user=self.user).output
        except (ExecutionCancelled, ExecutionFailed, ExecutionWaiting) as error:
            self.error = error
        self.ended = time.monotonic()
        connection.close()


def cancelled(caller):
    """Cancel the newest run; its state stands at once, and its caller hears of it. Gives after how many seconds."""
    began = time.monotonic()
    execution = AgentExecution.objects.latest("created_at")
    assert cancel(execution)
    execution.refresh_from_db()
    assert execution.status == "cancelled"
    caller.join(WAIT_SECONDS)
    assert isinstance(caller.error, ExecutionCancelled)
    assert get_engine().active == 0
    return caller.ended - began


def test_cancelled_while_a_model_request_hangs(user):
    asked, let_go = threading.Event(), threading.Event()

    async def hang(messages, info):
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()

    agent = DjangoAgent("hung", permission=AUTHENTICATED, model=FunctionModel(hang))

    def once():
        asked.clear()
        let_go.clear()
        caller = Caller(agent, user)
        assert asked.wait(WAIT_SECONDS)
        seconds = cancelled(caller)
        assert let_go.wait(WAIT_SECONDS)
        return seconds

    assert least_disturbed(once, 2) < 2
    assert ExecutionStep.objects.count() == 0


@pytest.mark.parametrize("effects", ["database", "none", "external"])
def test_cancelled_while_a_tool_sleeps(user, effects, settings):
    """On SQLite the tool's own timeout comes first where it holds the only write lock."""
    settings.RETINUE = {"TOOL_TRANSACTION_SECONDS": 1.0 if connection.vendor == "sqlite" else 600.0}
    inside, gate, woken = threading.Event(), threading.Event(), threading.Event()
    agent = DjangoAgent("sleeper", permission=AUTHENTICATED, model=scripted([call("sleep")], "done"))

    @agent.tool(effects=effects)
    def sleep(ctx: RunContext[DjangoDeps]) -> str:
        if effects == "database":
            Note.objects.create(execution="x", label="before")
        inside.set()
        gate.wait(WAIT_SECONDS)
        try:
            if effects == "database":
                Note.objects.create(execution="x", label="after")
        finally:
            woken.set()
        return "slept"

    caller = Caller(agent, user)
    inside.wait(WAIT_SECONDS)
    try:
        if effects == "database" and connection.vendor == "sqlite":
            cancel(AgentExecution.objects.get())
            caller.join(WAIT_SECONDS)
            # Whichever came first: the timeout that told the model and let it go on, or the cancellation.
            assert AgentExecution.objects.get().status in ("cancelled", "completed")
        else:
            cancelled(caller)
        before = list(ExecutionStep.objects.values())
    finally:
        gate.set()
    assert woken.wait(WAIT_SECONDS)
    assert Note.objects.count() == 0
    until(lambda: get_engine().active == 0)
    assert list(ExecutionStep.objects.values()) == before


@pytest.mark.only_on("postgresql")
def test_cancelled_while_a_statement_runs(user, settings):
    settings.RETINUE = {"TOOL_TRANSACTION_SECONDS": 600.0}
    inside = threading.Event()
    agent = DjangoAgent("querier", permission=AUTHENTICATED, model=scripted([call("query")], "done"))

    @agent.tool
    def query(ctx: RunContext[DjangoDeps]) -> str:
        with connection.cursor() as cursor:
            inside.set()
            cursor.execute("SELECT pg_sleep(600)")
        return "slept"

    caller = Caller(agent, user)
    inside.wait(WAIT_SECONDS)
    cancelled(caller)

    def statements():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'")
            return cursor.fetchall()

    until(lambda: not statements())


def test_the_engine_goes_on_after_a_cancellation(user):
    """The lane of the cancelled tool is not lost for others."""
    gate, inside = threading.Event(), threading.Event()
    agent = DjangoAgent("sleeper", permission=AUTHENTICATED, model=scripted([call("sleep")], "done"))

    @agent.tool(effects="none")
    def sleep(ctx: RunContext[DjangoDeps]) -> str:
        inside.set()
        gate.wait(WAIT_SECONDS)
        return "slept"

    other = DjangoAgent("noter", permission=AUTHENTICATED, model=scripted([call("add")], "done"))

    @other.tool
    def add(ctx: RunContext[DjangoDeps]) -> str:
        Note.objects.create(execution="x", label="added")
        return "added"

    caller = Caller(agent, user)
    inside.wait(WAIT_SECONDS)
    cancelled(caller)
    assert [other.run_sync("Go", user=user).output for _ in range(6)] == ["done"] * 6
    gate.set()
    assert Note.objects.count() == 6


@pytest.mark.parametrize("verb", ["mark_completed", "mark_failed", "fail"])
def test_ended_by_hand_while_it_runs(user, verb):
    """What somebody decided stands; the run finds out at its next write, and its caller gets what was decided."""
    asked, gate = threading.Event(), threading.Event()

    async def answer(messages, info):
        asked.set()
        await opened(gate)
        return ModelResponse(parts=[TextPart("its own")])

    caller = Caller(DjangoAgent("held", permission=AUTHENTICATED, model=FunctionModel(answer)), user)
    asked.wait(WAIT_SECONDS)
    execution = AgentExecution.objects.get()
    if verb == "mark_completed":
        assert execution.mark_completed("by hand")
    elif verb == "mark_failed":
        assert execution.mark_failed("by_hand", "Somebody said so.")
    else:
        assert fail(execution, "by_hand", "Somebody said so.")
    gate.set()
    caller.join(WAIT_SECONDS)
    if verb == "mark_completed":
        assert caller.output == "by hand"
    else:
        assert isinstance(caller.error, ExecutionFailed)
        assert str(caller.error) == "Somebody said so."
    assert ExecutionStep.objects.count() == 0


@pytest.mark.parametrize(
    ("status", "lease", "worked", "resumed", "seconds"),
    [
        (Status.RUNNING, 9, 0.0, None, 60.0),
        (Status.RUNNING, 9, 5.0, 20, 25.0),
        (Status.RUNNING, -8, 5.0, 20, 17.0),  # its process died
        (Status.RUNNING, 9, 5.0, None, 5.0),  # nobody knows since when
        (Status.WAITING, None, 5.0, 20, 5.0),
        (Status.QUEUED, None, 0.0, None, 0.0),
    ],
)
def test_ended_run_says_how_long_it_worked(user, monkeypatch, status, lease, worked, resumed, seconds):
    now = timezone.now()
    started = None if status == Status.QUEUED else now - timedelta(minutes=1)
    expires = None if lease is None else now + timedelta(seconds=lease)
    given = {"started_at": started, "lease_expires": expires, "execution_time": worked}
    execution = made(user, status, **given, stream=resumed is not None)
    if resumed is not None:
        for seq, ago in ((1, 60), (2, resumed)):
            event = {"kind": "state", "data": b'{"status": "running"}', "created_at": now - timedelta(seconds=ago)}
            ExecutionEvent.objects.create(execution=execution, epoch=1, seq=seq, **event)
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert cancel(execution)
    execution.refresh_from_db()
    assert execution.execution_time == seconds
    told = [json.loads(bytes(event.data)) for event in execution.events.filter(kind="final")]
    assert [data["execution_time"] for data in told] == ([] if resumed is None else [seconds])
