"""Waiting holds nothing, however many wait, and a decision is one however many decide."""

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
from retinue.runtime.loop.engine import get_engine
from retinue.workers import worker as workers
from retinue.workers.worker import Worker
from tests.scripted import call, scripted
from tests.shop.models import Note
from tests.waiting import until

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


def test_two_thousand_that_wait_hold_nothing(user, monkeypatch):
    agent, looked = signer(), sweeps(monkeypatch)
    with working(agent) as worker:
        until(lambda: len(looked) > 10)  # until it has what it needs
        nothing = held(worker)
        tracemalloc.start()
        try:
            before = len(looked)
            until(lambda: len(looked) > before + 10)
            idle, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            parked(agent, user, 2000)
            until(lambda: get_engine().active == 0)
            tracemalloc.start()
            before = len(looked)
            until(lambda: len(looked) > before + 10)
            waiting, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held(worker)[:2] == (0, 0)
        assert held(worker)[2] <= nothing[2] + 1 and held(worker)[3] <= nothing[3] + 3  # for the one that ran here
        assert waiting - idle < 100_000 and peak < 500_000  # bytes; a loaded row alone has more than 1,000
    assert AgentExecution.objects.filter(status="waiting").count() == 2000


def test_each_goes_on_within_two_seconds_of_its_decision(user):
    """Sixty decisions, twenty a second, while a thousand others wait."""
    agent = signer()
    parked(agent, user, 1000)
    with working(agent):
        begun = time.monotonic()
        for number, approval in enumerate(Approval.objects.order_by("pk")[:60]):
            approve(approval, by=user)
            time.sleep(max(0.0, begun + (number + 1) / 20 - time.monotonic()))
        spent = time.monotonic() - begun
        until(lambda: AgentExecution.objects.filter(status="completed").count() == 60)
    assert spent < 6  # twenty a second, or nearly so where others use the machine
    decided = dict(Approval.objects.filter(status="approved").values_list("execution_id", "decided_at"))
    signed = dict(ExecutionStep.objects.filter(kind="tool").values_list("execution_id", "started_at"))
    assert signed.keys() == decided.keys()
    assert max(signed[pk] - decided[pk] for pk in decided) < timedelta(seconds=2)
    assert Note.objects.count() == 60
    assert AgentExecution.objects.filter(status="waiting").count() == 940


def race(user, number, decide):
    """What so many threads get that decide about one approval at the same time."""
    ready, outcomes = threading.Barrier(number), []

    def one(position):
        approval = Approval.objects.select_related("execution__root").get()
        ready.wait(30)
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
