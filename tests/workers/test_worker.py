"""A worker claims what is queued for it, runs it, and gives back what it cannot finish."""

import asyncio
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.approvals.models import Approval
from retinue.budgets.accounts import hold
from retinue.budgets.models import Budget, Hold
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.executions.models import Worker as WorkerRow
from retinue.runtime import points
from retinue.runtime.loop.engine import get_engine
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.types import Principal
from retinue.workers import records
from retinue.workers import worker as workers
from retinue.workers.sweep import has_queued, tidy
from retinue.workers.worker import Worker
from tests.scripted import call, prompt_of, scripted
from tests.shop.models import Note
from tests.waiting import WAIT_SECONDS, least_disturbed, opened, until

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def working(*agents, concurrency=10, **options):
    """A worker for the time of a block."""
    worker = Worker(concurrency=concurrency, **options)
    with registered(*agents):
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()


class Gated:
    """An agent whose model answers once the gate is open; `asked` has the prompts in their order."""

    def __init__(self, name="gated"):
        self.asked = []
        self.gate = threading.Event()
        self.agent = DjangoAgent(name, permission=AUTHENTICATED, model=FunctionModel(self.answer))

    async def answer(self, messages, info):
        self.asked.append(prompt_of(messages))
        await opened(self.gate)
        return ModelResponse(parts=[TextPart("done")])


def echo(name="echo"):
    return DjangoAgent(name, permission=AUTHENTICATED, model=scripted(prompt_of))


def statuses():
    """Prompts by status."""
    found = {}
    for prompt, status in AgentExecution.objects.values_list("input_prompt", "status").order_by("input_prompt"):
        found.setdefault(status, []).append(prompt)
    return found


def completed(number):
    return lambda: AgentExecution.objects.filter(status="completed").count() == number


# --- claiming


def test_idle_worker_starts_new_work_promptly(user):
    agent = echo()

    def waited():
        execution = agent.enqueue("Go", user=user)
        until(lambda: not AgentExecution.objects.exclude(status="completed").exists())
        execution.refresh_from_db()
        return (execution.started_at - execution.created_at).total_seconds()

    with working(agent):
        until(lambda: WorkerRow.objects.exists())
        assert least_disturbed(waited, 0.1, tries=50) < 0.1


def test_runs_no_more_at_once_than_it_may(user):
    gated = Gated()
    with working(gated.agent, concurrency=3):
        for number in range(8):
            gated.agent.enqueue(f"p{number}", user=user)
        until(lambda: len(gated.asked) == 3)
        assert {status: len(prompts) for status, prompts in statuses().items()} == {"running": 3, "queued": 5}
        assert get_engine().active == 3
        gated.gate.set()
        until(completed(8))


def test_takes_only_its_queues(user):
    agent = echo()
    with registered(agent):
        for queue in ("default", "slow", "later"):
            agent.enqueue(queue, user=user, queue=queue)
    with working(agent, queues=("slow", "default")):
        until(completed(2))
    assert statuses() == {"completed": ["default", "slow"], "queued": ["later"]}


def test_takes_only_its_agents(user):
    one, other = echo("one"), echo("other")
    with working(one, other, agents=("one",)):
        other.enqueue("other", user=user)
        one.enqueue("one", user=user)
        until(completed(1))
    assert statuses() == {"completed": ["one"], "queued": ["other"]}


@pytest.mark.parametrize("concurrency", [1, 10])
def test_higher_priority_goes_first_then_the_older(user, concurrency):
    gated = Gated()
    gated.gate.set()
    with registered(gated.agent):
        for prompt, priority in [("low", -1), ("first", 0), ("second", 0), ("high", 5)]:
            gated.agent.enqueue(prompt, user=user, priority=priority)
    with working(gated.agent, concurrency=concurrency):
        until(completed(4))
    assert gated.asked == ["high", "first", "second", "low"]


def test_later_is_not_now(user):
    agent = echo()
    with working(agent):
        later = agent.enqueue("later", user=user, run_after=timezone.now() + timedelta(hours=1))
        agent.enqueue("now", user=user)
        until(completed(1))
        assert statuses() == {"completed": ["now"], "queued": ["later"]}
        AgentExecution.objects.filter(pk=later.pk).update(run_after=timezone.now())
        until(completed(2))


def test_two_workers_share_the_work(user):
    agent = echo()
    with working(agent, concurrency=2), working(agent, concurrency=2):
        for number in range(20):
            agent.enqueue(f"p{number}", user=user)
        until(completed(20))
    assert ExecutionStep.objects.count() == 20


# --- what goes wrong


def test_unknown_agent_is_left_to_workers_that_know_it(user):
    agent = echo("newer")
    with registered(agent):
        agent.enqueue("Go", user=user)
    other = echo("older")
    with working(other):
        other.enqueue("Go", user=user)
        until(lambda: AgentExecution.objects.filter(status="completed").exists())
    assert statuses() == {"completed": ["Go"], "queued": ["Go"]}
    with working(agent):
        until(lambda: AgentExecution.objects.filter(status="completed").count() == 2)


def test_run_that_fails_takes_no_other_along(user):
    agent = DjangoAgent("mixed", permission=AUTHENTICATED, model=scripted(lambda m: 1 / int(prompt_of(m)) and "done"))
    with working(agent):
        for prompt in ("1", "0", "2"):
            agent.enqueue(prompt, user=user)
        until(lambda: not AgentExecution.objects.exclude(status__in=("completed", "failed")).exists())
    assert statuses() == {"completed": ["1", "2"], "failed": ["0"]}


def orphan(agent, user, **values):
    """An execution whose process died after it was claimed."""
    with registered(agent):
        execution = agent.enqueue(
            "Go", user=user, run_after=timezone.now() + timedelta(hours=1)
        )  # not before it is one
    gone = timezone.now() - timedelta(seconds=1)
    values = {"status": "running", "lease_token": execution.pk, "lease_expires": gone, "started_at": gone, **values}
    values["run_after"] = None
    AgentExecution.objects.filter(pk=execution.pk).update(**values)


def test_orphan_goes_on(user):
    agent = echo()
    orphan(agent, user)
    with working(agent):
        until(completed(1))
    assert AgentExecution.objects.get().attempts == 0  # set back by its recorded result


def test_worker_that_stood_still_in_a_sweep_does_not_take_its_own_run_over(user, settings, monkeypatch):
    """The sweep began before the run did, and the lease ran out meanwhile."""
    settings.RETINUE = {"HEARTBEAT_SECONDS": 600.0}
    gated, swept = Gated(), []

    def stand_still(alias, mine):
        if not swept:
            until(lambda: gated.asked)
            AgentExecution.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))
        swept.append(1)
        return 0

    monkeypatch.setattr(workers, "fail_hopeless", stand_still)
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    with registered(gated.agent):
        gated.agent.enqueue("Go", user=user)
    with working(gated.agent):
        until(lambda: len(swept) > 3)
        gated.gate.set()
        until(completed(1))
    assert (gated.asked, AgentExecution.objects.get().attempts) == (["Go"], 0)


def test_orphan_that_crashed_before_is_taken_alone(user):
    gated = Gated()
    orphan(gated.agent, user, attempts=1)
    with working(gated.agent):
        until(lambda: gated.asked)
        gated.agent.enqueue("other", user=user)
        gated.gate.set()
        until(completed(2))
    assert gated.asked == ["Go", "other"]


class Stream:
    """An agent of short runs: each ends when the next one has begun, or when its worker makes room.

    So the worker is never idle by itself. `alone` is how many runs were under way as the suspect ran.
    """

    def __init__(self):
        self.asked = []
        self.worker = None
        self.alone = None
        self.agent = DjangoAgent("stream", permission=AUTHENTICATED, model=FunctionModel(self.answer))
        self._ended = threading.Event()

    async def answer(self, messages, info):
        prompt = prompt_of(messages)
        self.asked.append(prompt)
        if prompt == "Go":
            self.alone = get_engine().active
        else:
            number = len(self.asked)
            while len(self.asked) == number and not self.worker._holds_back and not self._ended.is_set():
                await asyncio.sleep(0.005)
        return ModelResponse(parts=[TextPart("done")])

    @contextmanager
    def flowing(self, user):
        """A worker for the time of a block, with two short runs in its queue at every moment."""

        def feed():
            while not self._ended.wait(0.005):
                if AgentExecution.objects.filter(status="queued").count() < 2:
                    self.agent.enqueue("short", user=user)
            connections.close_all()

        feeder = threading.Thread(target=feed)
        with working(self.agent, concurrency=2) as self.worker:
            feeder.start()
            try:
                yield
            finally:
                self._ended.set()
                feeder.join()


def test_orphan_that_crashed_before_is_not_starved_by_a_busy_worker(user, monkeypatch):
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(workers, "STARVING_SECONDS", 3600.0)
    stream = Stream()
    with registered(stream.agent):
        stream.agent.enqueue("short", user=user)
        stream.agent.enqueue("short", user=user)
    with stream.flowing(user):
        until(lambda: len(stream.asked) > 2)
        orphan(stream.agent, user, attempts=1)
        seen = len(stream.asked)
        until(lambda: len(stream.asked) > seen + 20)
        assert "Go" not in stream.asked  # it may wait, so far
        monkeypatch.setattr(workers, "STARVING_SECONDS", 0.0)
        until(lambda: AgentExecution.objects.filter(input_prompt="Go", status="completed").exists())
        seen = len(stream.asked)
        until(lambda: len(stream.asked) > seen + 5)
    assert (stream.asked.count("Go"), stream.alone) == (1, 1)


def test_worker_makes_no_room_where_others_use_its_engine(user, monkeypatch):
    """A view waits for a run in this process: it would not become idle, however long it claimed nothing."""
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(workers, "STARVING_SECONDS", 0.0)
    held, agent = Gated(), echo()
    view = threading.Thread(target=lambda: (held.agent.run_sync("view", user=user), connections.close_all()))
    view.start()
    until(lambda: held.asked)
    orphan(agent, user, attempts=1)
    with working(agent):
        for number in range(5):
            agent.enqueue(f"p{number}", user=user)
            until(completed(number + 1))
        assert statuses()["running"] == ["Go", "view"]
        held.gate.set()
        view.join(WAIT_SECONDS)
        until(completed(7))


def test_worker_that_cannot_make_room_works_on_after_a_while(user, monkeypatch):
    """What it runs takes longer than it holds back."""
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(workers, "STARVING_SECONDS", 0.0)
    monkeypatch.setattr(workers, "ROOM_SECONDS", 0.2)
    held, agent = Gated(), echo()
    with working(held.agent, agent) as worker:
        held.agent.enqueue("long", user=user)
        until(lambda: held.asked)
        orphan(agent, user, attempts=1)
        until(lambda: worker._holds_back)
        agent.enqueue("other", user=user)
        until(completed(1))
        assert statuses() == {"completed": ["other"], "running": ["Go", "long"]}
        held.gate.set()
        until(completed(3))


def test_orphan_that_crashed_too_often_fails(user):
    agent = echo()
    orphan(agent, user, attempts=2)
    with working(agent):
        until(lambda: AgentExecution.objects.filter(status="failed").exists())
    execution = AgentExecution.objects.get()
    assert execution.error_code == "max_attempts"
    assert execution.error_message == "The process that ran it died 3 times in a row without a recorded result."
    assert ExecutionStep.objects.count() == 0


def test_orphan_of_a_caller_can_be_left_to_fail(user, settings):
    settings.RETINUE = {"ORPHANS": "fail"}
    agent = echo()
    orphan(agent, user, attached=True)
    with working(agent):
        until(lambda: AgentExecution.objects.filter(status="failed").exists())
    assert AgentExecution.objects.get().error_code == "orphaned"


def test_expired_approval_wakes_its_run(user):
    agent = DjangoAgent(
        "asker", permission=AUTHENTICATED, model=scripted([call("sign")], lambda m: m[-1].parts[0].content)
    )

    @agent.tool(approval=True, approval_ttl=0.05)
    def sign(ctx: RunContext[DjangoDeps]) -> str:
        return "signed"

    with working(agent):
        agent.enqueue("Go", user=user)
        until(completed(1))
    assert AgentExecution.objects.get().output_data == "The approval was not given in time."
    assert Approval.objects.get().status == "expired"


# --- stopping


def test_step_in_flight_ends_and_the_run_goes_on_elsewhere(user, settings):
    settings.RETINUE = {"GRACE_SECONDS": 600.0, "TOOL_TRANSACTION_SECONDS": 600.0}
    asked, inside, gate = [], threading.Event(), threading.Event()
    agent = DjangoAgent(
        "careful", permission=AUTHENTICATED, model=scripted([call("add", "a")], [call("add", "b")], "done", asked=asked)
    )

    @agent.tool
    def add(ctx: RunContext[DjangoDeps]) -> str:
        inside.set()
        gate.wait(WAIT_SECONDS)
        Note.objects.create(execution=str(ctx.deps.execution_id), label=ctx.tool_call_id)
        return "added"

    with working(agent) as worker:
        agent.enqueue("Go", user=user)
        inside.wait(WAIT_SECONDS)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        until(lambda: all(run.draining for run in get_engine()._runs.values()))
        gate.set()
        stopping.join()
        execution = AgentExecution.objects.get()
        assert (execution.status, execution.lease_expires) == ("queued", None)
        assert [step.key for step in ExecutionStep.objects.all()] == ["model", "tool:add@1:a"]
        assert WorkerRow.objects.count() == 0
    with working(agent):
        until(completed(1))
    assert asked == [0, 1, 2]
    assert sorted(Note.objects.values_list("label", flat=True)) == ["a", "b"]


def test_what_takes_too_long_is_cut_and_asked_again(user, settings):
    settings.RETINUE = {"GRACE_SECONDS": 0.05}
    gated = Gated()
    with working(gated.agent) as worker:
        gated.agent.enqueue("Go", user=user)
        until(lambda: gated.asked)
        worker.stop()
        assert AgentExecution.objects.get().status == "queued"
        assert ExecutionStep.objects.count() == 0
    gated.gate.set()
    with working(gated.agent):
        until(completed(1))
    assert gated.asked == ["Go", "Go"]


def test_stopped_worker_claims_nothing_more(user):
    agent = echo()
    with working(agent) as worker:
        worker.stop()
        agent.enqueue("Go", user=user)
    assert statuses() == {"queued": ["Go"]}


def test_claim_that_was_under_way_is_handed_back(user):
    """The worker is told to stop just after its claim was committed."""
    gated, claimed, gate = Gated(), threading.Event(), threading.Event()

    def hook(point):
        if point == points.AFTER_JOURNAL_COMMIT and AgentExecution.objects.filter(status="running").exists():
            claimed.set()
            gate.wait(WAIT_SECONDS)

    points.hook = hook
    try:
        with working(gated.agent) as worker:
            gated.agent.enqueue("Go", user=user)
            claimed.wait(WAIT_SECONDS)
            stopping = threading.Thread(target=worker.stop)
            stopping.start()
            until(lambda: worker._stopping)
            gate.set()
            stopping.join()
    finally:
        points.hook = None
    assert statuses() == {"queued": ["Go"]}
    assert (gated.asked, get_engine().active) == ([], 0)


# --- its row


def test_row_appears_tells_how_busy_it_is_and_disappears(user, monkeypatch):
    monkeypatch.setattr(records, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    gated = Gated()
    with working(gated.agent, concurrency=7, queues=("default",)) as worker:
        row = until(lambda: WorkerRow.objects.first())
        assert (row.name, row.concurrency, row.queues, row.embedded) == (worker.name, 7, ["default"], False)
        for number in range(2):
            gated.agent.enqueue(f"p{number}", user=user)
        until(lambda: WorkerRow.objects.filter(active=2).exists())
        later = WorkerRow.objects.get()
        assert (later.pk, later.started_at) == (row.pk, row.started_at)
        assert later.seen_at > row.seen_at
        gated.gate.set()
        until(lambda: WorkerRow.objects.filter(active=0).exists())
    assert WorkerRow.objects.count() == 0


def test_row_that_was_swept_away_comes_back(user, monkeypatch):
    monkeypatch.setattr(records, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    with working():
        row = until(lambda: WorkerRow.objects.first())
        WorkerRow.objects.all().delete()
        assert until(lambda: WorkerRow.objects.first()).pk == row.pk


def test_rows_of_workers_long_gone_are_forgotten(user):
    days = timezone.now() - timedelta(days=2)
    WorkerRow.objects.create(name="gone", seen_at=days, started_at=days)
    with working() as worker:
        until(lambda: list(WorkerRow.objects.values_list("name", flat=True)) == [worker.name])


def test_holds_that_were_forgotten_are_given_back(user):
    budget = Budget.objects.create(owner_type="user", owner_key=str(user.pk), unit="tokens", limit_steps=10)
    with hold(budget, 4) as forgotten, hold(budget, 5) as wanted:
        Hold.objects.filter(pk=forgotten.row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        with working():
            until(lambda: budget.available == 5)
        wanted.settle(2)
    assert (budget.spent, budget.available) == (2, 8)


# --- tidying up


def streamed_long_ago(agent, user):
    """An execution that ended long ago, with an event."""
    execution = agent.enqueue("old", user=user)
    execution.cancel()
    long_ago = timezone.now() - timedelta(days=31)
    AgentExecution.objects.filter(pk=execution.pk).update(completed_at=long_ago, stream=True)
    ExecutionEvent.objects.filter(execution=execution).delete()
    ExecutionEvent.objects.create(execution=execution, epoch=1, seq=1, kind="final", data=b"{}")


def test_worker_closes_idle_sessions_and_forgets_old_events(user):
    agent = echo()
    with registered(agent):
        idle, fresh = (start_session(Principal.of(user), "echo") for _ in range(2))
        AISession.objects.filter(pk=idle.pk).update(updated_at=timezone.now() - timedelta(days=8))
        streamed_long_ago(agent, user)
    with working(agent):
        until(lambda: set(AISession.objects.active()) == {fresh} and not ExecutionEvent.objects.exists())


def test_worker_goes_on_where_tidying_up_fails(user, caplog):
    agent = echo()
    with registered(agent):
        streamed_long_ago(agent, user)
        idle = start_session(Principal.of(user), "echo")
        AISession.objects.update(updated_at=timezone.now() - timedelta(days=8))

    def refuse(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "retinue_aisession" in sql:
            raise ValueError("no")
        return execute(sql, params, many, context)

    with connections["default"].execute_wrapper(refuse):
        tidy("default")
    idle.refresh_from_db()
    assert (idle.is_active, ExecutionEvent.objects.exists()) == (True, False)
    assert [record.getMessage() for record in caplog.records if record.name == "retinue.worker"] == [
        "A worker could not tidy up; it tries again later."
    ]


def test_idle_worker_writes_nothing_for_a_session_that_waits(user):
    """A message whose turn may come in hours costs no more than one cheap read."""
    gated = Gated()
    gated.gate.set()
    agent = gated.agent
    with registered(agent):
        session = start_session(Principal.of(user), "gated")
        for prompt in ("waits for a person", "waits for its turn"):
            agent.enqueue(prompt, user=user, session=session)
        AgentExecution.objects.filter(input_prompt="waits for a person").update(
            status="waiting", started_at=timezone.now()
        )
    assert not has_queued("default", (), ("gated",))
    AgentExecution.objects.filter(status="waiting").get().cancel()
    assert has_queued("default", (), ("gated",))
    with working(agent):
        until(completed(1))
