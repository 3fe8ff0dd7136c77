"""What a run may spend, what it has spent, and that nothing stays held whatever way it ends."""

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from pydantic_ai import ModelHTTPError
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.usage import RequestUsage

from retinue import AUTHENTICATED, PUBLIC, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.approvals.decisions import approve, deny
from retinue.approvals.models import Approval
from retinue.budgets.accounts import adjust
from retinue.budgets.models import Budget, LedgerEntry
from retinue.errors import BudgetExceeded, ExecutionCancelled, ExecutionFailed, ExecutionWaiting
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime import points
from retinue.runtime.loop.engine import get_engine
from retinue.signals import budget_overage
from retinue.testing import run_queued
from retinue.types import Principal
from retinue.workers.sweep import fail_hopeless
from retinue.workers.worker import Worker
from tests import death
from tests.budgets.ledger import budget, check_settled, entries, settled_steps, spent
from tests.death import died, resumed
from tests.priced import CREDITS, PRICES, TOKENS, USD, priced
from tests.scripted import call, scripted
from tests.waiting import opened, until

pytestmark = pytest.mark.django_db(transaction=True)

UNITS = ("usd", "credits", "tokens", "requests")
TOOL, AGAIN = [call("look")], [call("look", "c2")]
RETINUE = {"PRICES": PRICES, "DEFAULT_BUDGETS": [], "POLL_SECONDS": 0.02}


@pytest.fixture(autouse=True)
def prices(settings):
    settings.RETINUE = dict(RETINUE)


def shopper(*turns, permission=AUTHENTICATED, model=None, approval=False, name="shopper", **options):
    agent = DjangoAgent(
        name, permission=permission, model=model or priced(*turns, **options.pop("priced", {})), **options
    )

    @agent.tool(effects="none", approval=approval)
    def look(ctx: RunContext[DjangoDeps]) -> str:
        return "seen"

    @agent.tool(effects="none")
    def break_down(ctx: RunContext[DjangoDeps]) -> str:
        raise ZeroDivisionError

    return agent


def all_units(owner, **limits):
    ample = {"usd": 10, "credits": 1000, "tokens": 1_000_000, "requests": 100}
    return [budget(owner, unit, limits.get(unit, ample[unit])) for unit in UNITS]


def of(requests):
    """What so many answers use, in each unit."""
    return [requests * USD, requests * CREDITS, requests * TOKENS, requests]


def the_run():
    return AgentExecution.objects.get(parent=None)


# --- exactly-once settlement: each way returns how many answers are to be paid for


def completed(user):
    shopper(TOOL, "done").run_sync("Go", user=user)
    return "completed", 2


def model_error(user):
    agent = shopper(TOOL, ModelHTTPError(500, "priced"))
    with pytest.raises(ExecutionFailed):
        agent.run_sync("Go", user=user)
    return "failed", 1


def tool_bug(user):
    with pytest.raises(ExecutionFailed):
        shopper([call("break_down")], "never").run_sync("Go", user=user)
    return "failed", 1


def cancelled_between_steps(user):
    agent = shopper(TOOL, "never")

    def hook(point):
        if point == points.AFTER_JOURNAL_COMMIT and ExecutionStep.objects.count() == 1:
            points.hook = None
            assert cancel(the_run())

    points.hook = hook
    try:
        with pytest.raises(ExecutionCancelled):
            agent.run_sync("Go", user=user)
    finally:
        points.hook = None
    return "cancelled", 1


def answered_after_it_was_cancelled(user):
    """By another process, so that this one does not hear of it before the answer is there."""

    async def cancel_silently(number):
        if number == 1:
            await asyncio.to_thread(in_another_process, lambda: cancel(the_run()))

    with pytest.raises(ExecutionCancelled):
        shopper(TOOL, "done", priced={"before": cancel_silently}).run_sync("Go", user=user)
    until(lambda: the_run().tokens_used == 2 * TOKENS)
    return "cancelled", 2


def in_another_process(function):
    from django.db import connections

    from retinue.signals import execution_finished

    receivers, execution_finished.receivers = execution_finished.receivers, []
    execution_finished.sender_receivers_cache.clear()
    try:
        function()
    finally:
        execution_finished.receivers = receivers
        execution_finished.sender_receivers_cache.clear()
        connections.close_all()


def killed_and_resumed(user):
    agent = shopper(TOOL, AGAIN, "done")
    died(agent, user, steps=3)
    taken_over(agent)
    return "completed", 3


def taken_over(agent):
    """The lease of what died runs out, and another worker claims it."""
    AgentExecution.objects.update(status="running", lease_expires=timezone.now() - timedelta(seconds=1))
    with registered(agent):
        worker = Worker(concurrency=1)
        worker.start()
        try:
            until(lambda: the_run().is_final)
        finally:
            worker.stop()


def parked_and_resumed(user):
    agent = shopper(TOOL, "done", approval=True)
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    check_settled()  # a run that waits holds nothing
    approve(Approval.objects.get(), by=user)
    resumed(agent)
    return "completed", 2


def approval_denied(user):
    agent = shopper(TOOL, "done", approval=True)
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    deny(Approval.objects.get(), by=user)
    resumed(agent)
    return "completed", 2


def approval_expired(user):
    agent = shopper(TOOL, "done", approval=True)
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    past = timezone.now() - timedelta(seconds=1)
    Approval.objects.update(expires_at=past)
    AgentExecution.objects.update(run_after=past)
    resumed(agent)
    return "completed", 2


def given_up(user):
    died(shopper(TOOL, "never"), user, steps=1)
    assert Budget.objects.get(unit="requests").current().reserved == 1
    past = timezone.now() - timedelta(seconds=1)
    AgentExecution.objects.update(status="running", attempts=2, lease_expires=past)
    assert fail_hopeless("default") == 1
    return "failed", 1


def handed_back_and_resumed(user):
    hanging, wake = threading.Event(), threading.Event()

    async def hang(number):
        if number == 1:
            hanging.set()
            await opened(wake)

    agent = shopper(TOOL, "done", priced={"before": hang})
    with registered(agent):
        agent.enqueue("Go", user=user)
        worker = Worker(concurrency=1)
        worker.start()
        try:
            assert hanging.wait(20)
            get_engine().drain(0.1)
        finally:
            worker.stop()
        assert the_run().status == "queued"
        check_settled()
        wake.set()
        run_queued(agent)
    return "completed", 2


def child_completed(user):
    boss(shopper(TOOL, "done")).run_sync("Go", user=user)
    child = AgentExecution.objects.exclude(parent=None).get()
    assert [child.cost, child.charge, child.tokens_used] == of(2)[:3]
    return "completed", 4


def child_failed(user):
    child = shopper(TOOL, ModelHTTPError(500, "priced"))
    with pytest.raises(ExecutionFailed):
        boss(child).run_sync("Go", user=user)
    child = AgentExecution.objects.exclude(parent=None).get()
    assert [child.status, child.cost, child.charge, child.tokens_used] == ["failed", *of(1)[:3]]
    return "failed", 2


def boss(child):
    agent = DjangoAgent("boss", permission=AUTHENTICATED, model=priced([call("ask")], "told"))

    @agent.tool(effects="delegate")
    async def ask(ctx: RunContext[DjangoDeps]) -> str:
        return (await child.run("Look")).output

    return agent


@pytest.mark.parametrize("number", range(1, 9))
def test_nothing_stays_held_whichever_write_is_under_way_when_runs_are_handed_back(user, number):
    all_units(user)
    agent, engine, numbers, stopping = shopper(TOOL, AGAIN, "done"), get_engine(), itertools.count(1), []

    async def turn():
        await asyncio.sleep(0)

    def hand_back(point):
        if point != points.BEFORE_JOURNAL_COMMIT or next(numbers) != number:
            return
        stopping.append(threading.Thread(target=engine.drain, args=(0,)))
        stopping[0].start()
        until(lambda: all(run.cut for run in engine.leased()))
        engine.submit(turn).result()  # the runs are told, and this write is not committed yet

    with registered(agent), death.at(hand_back):
        agent.enqueue("Go", user=user)
        worker = Worker(concurrency=1)
        worker.start()
        try:
            until(lambda: the_run().status == "completed")
        finally:
            worker.stop()
    for thread in stopping:
        thread.join()
    check_settled()


WAYS = [
    completed,
    model_error,
    tool_bug,
    cancelled_between_steps,
    answered_after_it_was_cancelled,
    killed_and_resumed,
    parked_and_resumed,
    approval_denied,
    approval_expired,
    given_up,
    handed_back_and_resumed,
    child_completed,
    child_failed,
]


@pytest.mark.parametrize("way", WAYS)
def test_every_answer_is_paid_for_once_whatever_way_a_run_ends(user, way):
    budgets = all_units(user)
    status, answers = way(user)
    run = the_run()
    assert run.status == status
    assert [run.cost, run.charge, run.tokens_used] == of(answers)[:3]
    # A request that the provider answered with an error costs nothing, but is a request.
    refused = way in (model_error, child_failed)
    assert spent(*budgets) == [*of(answers)[:3], answers + refused]
    for each in budgets[:3]:
        steps = settled_steps(each)
        assert len(steps) == len(set(steps)) == answers
    check_settled()


@pytest.mark.parametrize("steps", range(1, 5))
def test_run_that_died_costs_what_it_would_have_cost(user, steps):
    budgets = all_units(user)
    agent = shopper(TOOL, AGAIN, "done")
    died(agent, user, steps=steps)
    taken_over(agent)
    run = the_run()
    assert [run.status, run.cost, run.charge, run.tokens_used] == ["completed", *of(3)[:3]]
    assert spent(*budgets) == of(3)
    check_settled()


# --- requests of which nobody knows what they used


def hanging():
    """A hook for a model that hangs, and an event that says so."""
    asked = threading.Event()

    async def hang(number):
        asked.set()
        await asyncio.Event().wait()

    return {"before": hang}, asked


def timed_out(user):
    with pytest.raises(ExecutionFailed):
        shopper("never", priced=hanging()[0], timeout=0.2).run_sync("Go", user=user)
    return "failed"


def cancelled_while_it_hangs(user):
    given, asked = hanging()
    agent = shopper("never", priced=given)
    with ThreadPoolExecutor(1) as caller:
        running = caller.submit(agent.run_sync, "Go", user=user)
        assert asked.wait(20)
        assert cancel(the_run())
        with pytest.raises(ExecutionCancelled):
            running.result()
    until(lambda: LedgerEntry.objects.filter(spent_change__gt=0).count() == len(UNITS))
    return "cancelled"


@pytest.mark.parametrize("way", [timed_out, cancelled_while_it_hangs])
def test_request_that_was_cut_off_is_paid_for_as_it_was_held(user, way):
    budgets = all_units(user)
    assert way(user) == the_run().status
    held = [LedgerEntry.objects.get(period__budget=each, kind="hold").reserved_change for each in budgets]
    assert [each.periods.get().spent_steps for each in budgets] == held
    assert all(held)
    assert (the_run().cost, the_run().charge) == (None, None)
    check_settled()


def test_child_that_nobody_waits_for_leaves_nothing_held_and_is_paid_for(user):
    budgets = all_units(user)
    asked, go_on = threading.Event(), threading.Event()

    async def wait(number):
        asked.set()
        await opened(go_on)

    child = shopper("late", priced={"before": wait})
    agent = DjangoAgent("careless", permission=AUTHENTICATED, model=priced([call("start")], "done"))
    tasks = []

    @agent.tool(effects="delegate")
    async def start(ctx: RunContext[DjangoDeps]) -> str:
        tasks.append(asyncio.ensure_future(child.run("Look")))
        await opened(asked)
        return "started"

    agent.run_sync("Go", user=user)
    assert spent(*budgets) == of(2)
    check_settled()
    go_on.set()
    until(lambda: spent(*budgets) == of(3))
    check_settled()
    assert [the_run().cost, the_run().charge, the_run().tokens_used] == of(3)[:3]


def test_children_of_the_same_name_have_costs_of_their_own(user):
    child = shopper(TOOL, "done")
    agent = DjangoAgent("twice", permission=AUTHENTICATED, model=priced([call("ask")], "told"))

    @agent.tool(effects="delegate")
    async def ask(ctx: RunContext[DjangoDeps]) -> str:
        await asyncio.gather(child.run("Look"), child.run("Look"))
        return "asked"

    agent.run_sync("Go", user=user)
    assert list(AgentExecution.objects.exclude(parent=None).values_list("cost", flat=True)) == [2 * USD, 2 * USD]
    assert the_run().cost == 6 * USD


# --- streams


def cost_of(step):
    return (2 * step.input_tokens + 10 * step.output_tokens) * Decimal("1e-6")


async def watch(agent, user):
    async with agent.stream("Go", user=user) as events:
        async for _ in events:
            pass


def streamer(end=None):
    async def stream(messages, info):
        for word in ("one ", "two ", "three "):
            yield word
        if end is not None:
            raise end

    return shopper(model=FunctionModel(stream_function=stream, model_name="priced"))


def test_streamed_run_is_paid_for_once(user):
    budgets = all_units(user)
    asyncio.run(watch(streamer(), user))
    step = ExecutionStep.objects.get()
    tokens = step.input_tokens + step.output_tokens
    assert step.output_tokens == 3
    assert spent(*budgets) == [cost_of(step), 100 * cost_of(step), tokens, 1]
    assert (the_run().cost, the_run().tokens_used) == (cost_of(step), tokens)
    check_settled()


def test_stream_that_breaks_off_is_paid_for_as_far_as_it_came(user):
    budgets = all_units(user)
    with pytest.raises(ExecutionFailed):
        asyncio.run(watch(streamer(ModelHTTPError(500, "priced")), user))
    step = ExecutionStep.objects.get()
    tokens = step.input_tokens + step.output_tokens
    assert (step.output_tokens, step.cost) == (3, cost_of(step))
    assert spent(*budgets) == [cost_of(step), 100 * cost_of(step), tokens, 1]
    assert (the_run().status, the_run().cost) == ("failed", cost_of(step))
    check_settled()


# --- which budgets


def test_every_budget_that_applies_is_charged(user):
    group, other = Group.objects.create(name="Buyers"), Group.objects.create(name="Sellers")
    user.groups.add(group)
    mine = [budget(user, "usd", 1), budget(group, "credits", 100), budget("everyone", "tokens", 100_000)]
    mine += [budget("everyone", "requests", 10), budget(user, "usd", 1, "day"), budget(group, "usd", 1, "month")]
    others = [budget(other, "usd", 1), budget(Principal.guest("x"), "usd", 1)]
    idle = budget(group, "requests", 0)
    Budget.objects.filter(pk=idle.pk).update(is_active=False)
    shopper(TOOL, "done").run_sync("Go", user=user)
    assert spent(*mine) == [*of(2), 2 * USD, 2 * USD]
    assert entries(*others, idle) == []
    check_settled()


def test_guest_is_charged_by_his_key(db):
    guest, other = Principal.guest("session-1"), Principal.guest("session-2")
    budgets = [budget(guest, "usd", 1), budget("everyone", "requests", 10)]
    others = budget(other, "usd", 1)
    agent = shopper("done", permission=PUBLIC)
    agent.run_sync("Go", principal=guest)
    assert spent(*budgets, others) == [USD, 1, 0]
    check_settled()


def test_default_budget_of_a_new_user(user, settings):
    defaults = [{"owner": "user", "unit": "credits", "period": "month", "limit": 1000}]
    settings.RETINUE = RETINUE | {"DEFAULT_BUDGETS": defaults}
    shopper("done").run_sync("Go", user=user)
    (made,) = Budget.objects.all()
    assert (made.owner_type, made.owner_key, made.unit, made.period) == ("user", str(user.pk), "credits", "month")
    assert (made.limit, made.spent, made.available) == (1000, CREDITS, 1000 - CREDITS)
    check_settled()


def test_budget_that_refuses_leaves_the_others_alone(user):
    fits = [budget(user, "usd", 1), budget(user, "credits", 100), budget("everyone", "requests", 10)]
    refuses = budget("everyone", "tokens", 899)
    with pytest.raises(BudgetExceeded) as caught:
        shopper("never").run_sync("Go", user=user)
    assert entries(*fits, refuses) == []
    error = caught.value
    assert (error.unit, error.available, error.execution) == ("tokens", 899, the_run())
    assert error.needed > 4096
    assert (the_run().status, the_run().error_code) == ("failed", "budget_exceeded")
    assert (the_run().cost, the_run().tokens_used) == (None, 0)
    check_settled()


@pytest.mark.parametrize("unit", UNITS)
def test_run_is_refused_in_the_middle(user, unit):
    limits = {"usd": "0.045", "credits": "4.5", "tokens": 5500, "requests": 1}
    budgets = all_units(user, **{unit: limits[unit]})
    with pytest.raises(ExecutionFailed):
        shopper(TOOL, "never").run_sync("Go", user=user)
    run = the_run()
    assert [run.error_code, run.cost, run.charge, run.tokens_used] == ["budget_exceeded", *of(1)[:3]]
    assert spent(*budgets) == of(1)
    check_settled()


def test_enqueue_is_refused_where_nothing_is_left(user):
    budget(user, "requests", 0)
    agent = shopper("never")
    with registered(agent), pytest.raises(BudgetExceeded, match="The budget of 0 requests is used up"):
        agent.enqueue("Go", user=user)
    assert not AgentExecution.objects.exists()


def test_what_was_let_in_is_given_again_where_nothing_is_left(user):
    budget(user, "requests", 1)
    agent = shopper("done")
    with registered(agent):
        first = agent.enqueue("Go", user=user, idempotency_key="once")
        run_queued()
        assert agent.enqueue("Go", user=user, idempotency_key="once") == first
        with pytest.raises(BudgetExceeded):
            agent.enqueue("Go", user=user, idempotency_key="twice")


def test_queued_run_fails_where_not_enough_is_left(user):
    budgets = all_units(user, usd="0.001")
    agent = shopper("never")
    with registered(agent):
        agent.enqueue("Go", user=user)
        (ran,) = run_queued()
    assert (ran.status, ran.error_code) == ("failed", "budget_exceeded")
    assert entries(*budgets) == []


def test_free_model_needs_no_money(user):
    budgets = [budget(user, "usd", 0), budget(user, "credits", 0)]
    agent = shopper(model=scripted("done"))
    assert agent.run_sync("Go", user=user).output == "done"
    with registered(agent):
        agent.enqueue("Go", user=user)
        (ran,) = run_queued()
    assert ran.status == "completed"
    assert entries(*budgets) == []


# --- more than was held


def test_what_goes_beyond_the_hold_is_an_overage(user):
    mine = budget(user, "usd", "0.10")
    agent = shopper("done", priced={"usage": RequestUsage(input_tokens=10_000, output_tokens=10_000)})
    told = []

    def listen(sender, period, amount, reference, **kwargs):
        told.append((period.budget, amount, reference))

    budget_overage.connect(listen)
    try:
        result = agent.run_sync("Go", user=user)
    finally:
        budget_overage.disconnect(listen)
    cost = Decimal("0.12")
    assert result.cost == cost
    assert entries(mine) == ["hold", "settle", "overage"]
    held = LedgerEntry.objects.get(kind="hold").reserved_change
    assert told == [(mine, cost - held * Decimal("1e-9"), the_run().pk)]
    assert spent(mine) == [cost]
    assert mine.available == Decimal("-0.02")
    check_settled()
    with pytest.raises(BudgetExceeded) as caught:
        agent.run_sync("Go", user=user)
    assert caught.value.execution.status == "failed"
    assert caught.value.available == 0
    with registered(agent), pytest.raises(BudgetExceeded):
        agent.enqueue("Go", user=user)
    assert spent(mine) == [cost]


def test_limit_may_be_lowered_below_what_is_used(user):
    mine = budget(user, "requests", 2)
    agent = shopper("done")
    agent.run_sync("Go", user=user)
    agent.run_sync("Go", user=user)
    mine.limit = 1
    mine.save()
    with pytest.raises(BudgetExceeded):
        agent.run_sync("Go", user=user)
    assert (mine.available, spent(mine)) == (-1, [2])
    adjust(user, -2, unit="requests", reason="A refund")
    agent.run_sync("Go", user=user)
    assert spent(mine) == [1]
    check_settled()


# --- prices that nobody knows


class Unlisted(FunctionModel):
    """A provider's model that nobody has heard of."""

    @property
    def system(self):
        return "acme"


def unlisted(*turns):
    model = priced(*turns)
    return Unlisted(model.function, model_name="acme-1")


def test_model_without_a_price_is_blocked_where_money_applies(user):
    mine = budget(user, "usd", 1)
    with pytest.raises(ExecutionFailed):
        shopper(model=unlisted("never")).run_sync("Go", user=user)
    assert the_run().error_code == "price_unknown"
    assert the_run().error_message == (
        "What the model 'acme:acme-1' costs in USD is not known, and a budget in USD applies. Declare its price in "
        "RETINUE['PRICES'], or one for all such models in RETINUE['UNKNOWN_PRICE']."
    )
    assert entries(mine) == []


def test_model_without_a_price_runs_where_no_money_applies(user):
    mine = budget(user, "requests", 1)
    assert shopper(model=unlisted("done")).run_sync("Go", user=user).cost is None
    assert spent(mine) == [1]


def test_price_of_models_without_one(user, settings):
    settings.RETINUE = RETINUE | {"UNKNOWN_PRICE": {"input": 1, "output": 1}}
    mine = budget(user, "usd", 1)
    assert shopper(model=unlisted("done")).run_sync("Go", user=user).cost == Decimal("0.0009")
    assert spent(mine) == [Decimal("0.0009")]
    check_settled()


# --- at once, and over midnight


def test_runs_on_one_budget_do_not_wait_for_each_others_models(user):
    number = 100
    shared = budget("everyone", "usd", 100)
    in_flight, all_there = [], asyncio.Event()

    async def meet(turn):
        in_flight.append(turn)
        if len(in_flight) == number:
            all_there.set()
        await all_there.wait()

    agent = shopper("done", priced={"before": meet})

    async def all_at_once():
        await asyncio.gather(*(agent.run("Go", user=user) for _ in range(number)))

    asyncio.run(all_at_once())
    assert spent(shared) == [number * USD]
    check_settled()


@pytest.fixture
def clock(monkeypatch):
    """Django's clock, set by hand."""
    from datetime import datetime

    class Clock:
        def set(self, text):
            self.now = datetime.fromisoformat(text)

    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


@pytest.mark.parametrize(
    ("period", "before", "after", "keys"),
    [
        ("month", "2026-10-31T22:59:50Z", "2026-10-31T23:00:05Z", ["2026-10", "2026-11"]),  # UTC+1 by then
        ("month", "2027-03-31T21:59:50Z", "2027-03-31T22:00:05Z", ["2027-03", "2027-04"]),  # UTC+2 by then
        ("day", "2026-10-24T21:59:50Z", "2026-10-24T22:00:05Z", ["2026-10-24", "2026-10-25"]),
        ("day", "2026-10-25T22:59:50Z", "2026-10-25T23:00:05Z", ["2026-10-25", "2026-10-26"]),  # a day of 25 hours
        ("day", "2027-03-28T21:59:50Z", "2027-03-28T22:00:05Z", ["2027-03-28", "2027-03-29"]),  # one of 23
    ],
)
def test_request_is_charged_to_the_period_that_it_was_held_in(user, settings, clock, period, before, after, keys):
    settings.TIME_ZONE = "Europe/Berlin"
    mine = budget(user, "usd", 1, period)
    clock.set(before)

    async def midnight(number):
        clock.set(after)

    with timezone.override("Pacific/Auckland"):
        shopper(TOOL, "done", priced={"before": midnight}).run_sync("Go", user=user)
    periods = mine.periods.order_by("key")
    assert [(p.key, p.spent, p.reserved) for p in periods] == [(keys[0], USD, 0), (keys[1], USD, 0)]
    check_settled()
