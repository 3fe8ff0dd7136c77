"""Waiting holds nothing, however many wait, and a decision is one however many decide."""

import statistics
import threading
import time
import tracemalloc
import uuid
from contextlib import contextmanager
from datetime import timedelta

import psutil
import pytest
from django.db import connections

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.approvals.decisions import approve, deny
from retinue.approvals.models import Approval
from retinue.errors import AlreadyDecided, ExecutionWaiting
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime.loop.bridge import SYNC_THREADS
from retinue.runtime.loop.engine import get_engine
from retinue.workers import worker as workers
from retinue.workers.worker import Worker
from tests.scripted import call, scripted
from tests.shop.models import Note
from tests.waiting import WAIT_SECONDS, least_disturbed, until

pytestmark = pytest.mark.django_db(transaction=True)


def signer():
    model = scripted([call("sign")], lambda m: m[-1].parts[0].content)
    agent = DjangoAgent("signer", permission=AUTHENTICATED, model=model)

    @agent.tool(approval=True)
    def sign(ctx: RunContext[DjangoDeps]) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label="signed")
        return "signed"

    return agent


def parked(agent, user, number):
    """So many executions that wait: one that really parked, and copies of its rows."""
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    execution, step, approval = AgentExecution.objects.get(), ExecutionStep.objects.get(), Approval.objects.get()
    rows = {AgentExecution: [], ExecutionStep: [], Approval: []}
    for _ in range(number - 1):
        pk = uuid.uuid4()
        rows[AgentExecution].append(copied(execution, id=pk, root_id=pk))
        rows[ExecutionStep].append(copied(step, id=None, execution_id=pk))
        rows[Approval].append(copied(approval, id=uuid.uuid4(), execution_id=pk))
    for model, copies in rows.items():
        model.objects.bulk_create(copies, batch_size=500)


def copied(row, **changes):
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return type(row)(**{**values, **changes})


@contextmanager
def working(agent):
    worker = Worker(concurrency=10)
    with registered(agent):
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()


def held(worker):
    """What a process holds: runs, slots, threads, files (connections are among them)."""
    process = psutil.Process()
    return get_engine().active, len(worker._tasks), process.num_threads(), process.num_fds()


def sweeps(monkeypatch):
    """Counts how often the worker looked for everything that it looks after."""
    seen, look = [], workers.fail_hopeless

    def counted(*args):
        seen.append(1)
        return look(*args)

    monkeypatch.setattr(workers, "fail_hopeless", counted)
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.02)
    return seen


def traced(looked):
    """The bytes that ten such looks leave allocated, and have allocated at most."""
    before = len(looked)
    tracemalloc.start()
    try:
        until(lambda: len(looked) > before + 10)
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def test_two_thousand_that_wait_hold_nothing(user, monkeypatch):
    agent, looked = signer(), sweeps(monkeypatch)
    with working(agent) as worker:
        until(lambda: len(looked) > 10)  # until it has what it needs
        nothing = held(worker)
        idle, _ = traced(looked)
        parked(agent, user, 2000)
        until(lambda: get_engine().active == 0)
        # A loaded row alone has more than 1,000 bytes. A thread that starts just then has some, too: hence the least.
        assert least_disturbed(lambda: traced(looked)[0] - idle, 100_000) < 100_000
        assert least_disturbed(lambda: traced(looked)[1], 500_000) < 500_000
        active, slots, threads, files = held(worker)
        assert (active, slots) == (0, 0)
        # On a busy machine the pool grows to its size, and each of its threads has a connection (SQLite: three files).
        assert threads <= nothing[2] + SYNC_THREADS and files <= nothing[3] + 3 * SYNC_THREADS
    assert AgentExecution.objects.filter(status="waiting").count() == 2000


def test_each_goes_on_within_two_seconds_of_its_decision(user):
    """Sixty decisions, twenty a second or as fast as the machine goes on with them, while a thousand others wait."""
    agent = signer()
    parked(agent, user, 1000)
    with working(agent):
        begun = time.monotonic()
        for number, approval in enumerate(Approval.objects.order_by("pk")[:60]):
            approve(approval, by=user)
            time.sleep(max(0.0, begun + (number + 1) / 20 - time.monotonic()))
            until(lambda: AgentExecution.objects.filter(status="completed").count() > number - 4)  # noqa: B023
        until(lambda: AgentExecution.objects.filter(status="completed").count() == 60)
    decided = dict(Approval.objects.filter(status="approved").values_list("execution_id", "decided_at"))
    signed = dict(ExecutionStep.objects.filter(kind="tool").values_list("execution_id", "started_at"))
    assert signed.keys() == decided.keys()
    # Half of them for certain: a machine that others use, too, may halt for longer than that.
    assert statistics.median(signed[pk] - decided[pk] for pk in decided) < timedelta(seconds=2)
    assert Note.objects.count() == 60
    assert AgentExecution.objects.filter(status="waiting").count() == 940


def race(user, number, decide):
    """What so many threads get that decide about one approval at the same time."""
    ready, outcomes = threading.Barrier(number), []

    def one(position):
        approval = Approval.objects.select_related("execution__root").get()
        ready.wait(WAIT_SECONDS)
        try:
            outcomes.append(decide(approval, position))
        except AlreadyDecided as error:
            outcomes.append(error)
        finally:
            connections.close_all()

    deciders = [threading.Thread(target=one, args=(position,)) for position in range(number)]
    for decider in deciders:
        decider.start()
    for decider in deciders:
        decider.join()
    assert len(outcomes) == number
    return [outcome for outcome in outcomes if isinstance(outcome, Approval)]


def test_a_hundred_deciders_race_for_one_approval(user):
    agent = signer()
    with working(agent):
        parked(agent, user, 1)
        won = race(user, 100, lambda approval, position: approve(approval, by=user))
        until(lambda: AgentExecution.objects.filter(status="completed").exists())
    assert len(won) == 1
    assert (Note.objects.count(), ExecutionStep.objects.filter(kind="tool").count()) == (1, 1)
    assert AgentExecution.objects.get().output_data == "signed"


def test_those_who_agree_race_with_those_who_do_not(user):
    def decide(approval, position):
        return deny(approval, by=user, note=f"No, says {position}.") if position % 2 else approve(approval, by=user)

    agent = signer()
    with working(agent):
        parked(agent, user, 1)
        (won,) = race(user, 20, decide)
        until(lambda: AgentExecution.objects.filter(status="completed").exists())
    approval = Approval.objects.get()
    assert (approval.status, approval.note) == (won.status, won.note)
    agreed = approval.status == "approved"
    assert (Note.objects.count(), ExecutionStep.objects.filter(kind="tool").count()) == (agreed, agreed)
    assert AgentExecution.objects.get().output_data == ("signed" if agreed else approval.note)
