"""The journal's writer: what comes together is written together, and what cannot be written fails alone."""

import asyncio
import contextlib
import threading
import uuid

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.approvals.models import Approval
from retinue.errors import ExecutionFailed, ExecutionWaiting
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import StepKind
from retinue.runtime import points
from retinue.runtime.journal.creation import Create
from retinue.runtime.journal.statements.steps import StepRow
from retinue.runtime.journal.steps import WriteStep
from retinue.runtime.loop.engine import get_engine
from retinue.runtime.run import LeaseLost
from retinue.runtime.submission import submission
from retinue.testing import run_queued
from retinue.types import SYSTEM
from tests.scripted import call, prompt_of, returned, scripted
from tests.waiting import WAIT_SECONDS, until

pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.contextmanager
def watching(hook):
    points.hook = hook
    try:
        yield
    finally:
        points.hook = None


def commits():
    """Counts the journal's commits."""
    seen = []
    return seen, watching(lambda point: seen.append(point) if point == points.AFTER_JOURNAL_COMMIT else None)


def on_loop(make):
    """Run a coroutine on the engine's loop."""
    engine = get_engine()
    return engine.submit(lambda: make(engine.bridge.journal)).result(30)


async def create(journal):
    """A run whose lease is held here."""
    made = submission(DjangoAgent("made"), "Go", principal=SYSTEM, options={}).execution(attached=True)
    return await journal.write(Create(execution=made, permission=None, wanted=()))


def step(run, key="k", **values):
    row = {"kind": StepKind.NOTE, "name": "n", "digest": b"", "payload": b"{}", "started_at": timezone.now()}
    return WriteStep(run=run, row=StepRow(execution_id=run.id, key=key, **{**row, **values}))


def test_steps_of_many_runs_share_a_transaction(db):
    async def go(journal):
        runs = await asyncio.gather(*(create(journal) for _ in range(50)))
        await asyncio.gather(*(journal.write(step(run)) for run in runs))

    seen, counting = commits()
    with counting:
        on_loop(go)
    assert len(seen) == 2  # fifty creations, fifty steps
    assert ExecutionStep.objects.count() == 50


def test_what_comes_while_the_writer_is_busy_waits_for_the_next(db):
    inside, gate = threading.Event(), threading.Event()
    seen = []

    def hook(point):
        if point == points.BEFORE_JOURNAL_COMMIT and seen:
            inside.set()
            gate.wait(WAIT_SECONDS)
        if point == points.AFTER_JOURNAL_COMMIT:
            seen.append(ExecutionStep.objects.count())

    async def go(journal):
        run = await create(journal)
        first = asyncio.ensure_future(journal.write(step(run, "first")))
        await asyncio.to_thread(inside.wait, WAIT_SECONDS)
        others = [asyncio.ensure_future(journal.write(step(run, f"other {number}"))) for number in range(20)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *others)

    with watching(hook):
        on_loop(go)
    assert seen == [0, 1, 21]


def test_concurrent_runs_share_transactions(user):
    """Twenty runs that ask their model at the same time: far fewer commits than steps."""
    arrived, everyone = [], asyncio.Event()

    async def together(messages, info):
        arrived.append(1)
        if len(arrived) == 20:
            everyone.set()
        await everyone.wait()
        return ModelResponse(parts=[TextPart("done")])

    agent = DjangoAgent("many", permission=AUTHENTICATED, model=FunctionModel(together))
    seen, counting = commits()

    async def go():
        return await asyncio.gather(*(agent.run(f"Go {number}", user=user) for number in range(20)))

    with counting:
        results = asyncio.run(go())
    assert [result.output for result in results] == ["done"] * 20
    assert AgentExecution.objects.filter(status="completed").count() == 20
    assert ExecutionStep.objects.count() == 20
    assert len(seen) < 20  # alone each would take three


def test_one_that_cannot_be_written_fails_alone(db):
    """Here a second step at the same place, which no database takes."""

    async def go(journal):
        runs = await asyncio.gather(*(create(journal) for _ in range(5)))
        await journal.write(step(runs[2]))
        return await asyncio.gather(*(journal.write(step(run)) for run in runs), return_exceptions=True)

    results = on_loop(go)
    assert isinstance(results[2], DatabaseError)
    assert [result is None for result in results] == [True, True, False, True, True]
    assert ExecutionStep.objects.count() == 5


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"key": "k" * 401}, id="key", marks=pytest.mark.only_on("postgresql")),
        pytest.param({"key": "a\x00b"}, id="nul", marks=pytest.mark.only_on("postgresql")),
        pytest.param({"key": "\ud800"}, id="surrogate"),
        pytest.param({"input_tokens": 2**70}, id="tokens"),
        pytest.param({"payload": object()}, id="payload"),
    ],
)
def test_value_that_the_database_does_not_take_fails_alone(db, values):
    async def go(journal):
        runs = await asyncio.gather(*(create(journal) for _ in range(3)))
        steps = [step(runs[0]), step(runs[1], **values), step(runs[2])]
        results = await asyncio.gather(*map(journal.write, steps), return_exceptions=True)
        await journal.write(step(runs[1], "later"))  # the writer goes on
        return results

    results = on_loop(go)
    assert (results[0], results[2]) == (None, None)
    assert isinstance(results[1], Exception)
    assert sorted(ExecutionStep.objects.values_list("key", flat=True)) == ["k", "k", "later"]


def test_attempts_are_set_back_although_a_neighbour_fails(db):
    async def go(journal):
        good, bad = await asyncio.gather(create(journal), create(journal))
        await journal.write(step(bad))
        good.attempts = 2
        await asyncio.to_thread(AgentExecution.objects.filter(pk=good.id).update, attempts=2)
        await asyncio.gather(
            journal.write(step(good, kind=StepKind.TOOL)), journal.write(step(bad)), return_exceptions=True
        )
        return good

    good = on_loop(go)
    assert (good.attempts, AgentExecution.objects.get(pk=good.id).attempts) == (0, 0)


def test_lost_lease_fails_alone(db):
    async def go(journal):
        runs = await asyncio.gather(*(create(journal) for _ in range(3)))
        await asyncio.to_thread(AgentExecution.objects.filter(pk=runs[1].id).update, lease_token=uuid.uuid4())
        return await asyncio.gather(*(journal.write(step(run)) for run in runs), return_exceptions=True)

    results = on_loop(go)
    assert [type(result) for result in results] == [type(None), LeaseLost, type(None)]
    assert ExecutionStep.objects.count() == 2


def test_run_goes_on_only_once_its_step_is_committed(user):
    seen = []
    agent = DjangoAgent(
        "careful",
        permission=AUTHENTICATED,
        model=scripted([call("look", "a")], lambda m: seen.append(recorded()) or "done"),
    )

    def recorded():
        return threading_safely(lambda: list(ExecutionStep.objects.values_list("key", flat=True)))

    @agent.tool(effects="none")
    async def look(ctx: RunContext[DjangoDeps]) -> str:
        seen.append(recorded())
        return "x"

    agent.run_sync("Go", user=user)
    assert seen == [["model"], ["model", "tool:look@1:a"]]


def threading_safely(read):
    """Read on a thread of its own: the loop's own may not touch the database."""
    found = []

    def work():
        found.append(read())
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found[0]


def test_bad_step_fails_its_own_run_only(user):
    """A result that cannot be stored, beside runs that go on."""
    agent = DjangoAgent("mixed", permission=AUTHENTICATED, model=scripted([call("give")], lambda m: returned(m)[0]))

    @agent.tool(effects="none")
    async def give(ctx: RunContext[DjangoDeps]):
        return object() if ctx.deps.context["bad"] else "good"

    async def go():
        return await asyncio.gather(
            *(agent.run("Go", deps=DjangoDeps(user_id=user.pk, context={"bad": n == 2})) for n in range(5)),
            return_exceptions=True,
        )

    results = asyncio.run(go())
    assert isinstance(results.pop(2), ExecutionFailed)
    assert [result.output for result in results] == ["good"] * 4
    assert AgentExecution.objects.get(status="failed").error_code == "invalid_input"


REDACTED = []


def hide(kind, payload):
    """A redaction hook: it sees every payload before the database does."""
    REDACTED.append(kind)
    return payload.replace(b"4111 1111", b"**** ****")


def test_redaction_sees_payloads_first(user, settings):
    settings.RETINUE = {"REDACT": "tests.runtime.test_journal.hide"}
    REDACTED.clear()
    agent = DjangoAgent(
        "discreet",
        permission=AUTHENTICATED,
        model=scripted([call("card"), call("send", "c2", number="4111 1111")], lambda m: "My number is 4111 1111"),
    )

    @agent.tool
    def card(ctx: RunContext[DjangoDeps]) -> str:
        return "The number is 4111 1111"

    @agent.tool
    async def send(ctx: RunContext[DjangoDeps], number: str) -> str:
        return f"sent {number}"

    result = agent.run_sync("Go", user=user)
    assert result.output == "My number is 4111 1111"  # the run itself goes on with the real thing
    payloads = [bytes(payload) for payload in ExecutionStep.objects.values_list("payload", flat=True)]
    assert len(payloads) == 5
    assert not any(b"4111" in payload for payload in payloads)
    assert sum(b"**** ****" in payload for payload in payloads) == 4
    assert sorted(REDACTED) == ["model", "model", "tool", "tool", "tool"]


def test_redacted_run_is_replayed(user, settings):
    """What was taken away is missing in the replay; it does not count as another history."""
    settings.RETINUE = {"REDACT": "tests.runtime.test_journal.hide"}
    sent = []
    agent = DjangoAgent(
        "discreet",
        permission=AUTHENTICATED,
        model=scripted([call("card")], [call("send", "c2", number="4111 1111")], [call("ask", "c3")], "done"),
    )

    @agent.tool
    def card(ctx: RunContext[DjangoDeps]) -> str:
        return "The number is 4111 1111"

    @agent.tool(approval=True)
    async def send(ctx: RunContext[DjangoDeps], number: str) -> str:
        sent.append(number)
        return f"sent {number}"

    @agent.tool(approval=True)
    def ask(ctx: RunContext[DjangoDeps]) -> str:
        return "asked"

    for _ in range(2):
        with contextlib.suppress(ExecutionWaiting):
            agent.run_sync("Go", user=user, idempotency_key="k")
        Approval.objects.pending().get().approve(by=user)
        run_queued(agent)
    assert (AgentExecution.objects.get().status, sent) == ("completed", ["4111 1111"])


def test_cancelling_the_wait_does_not_undo_the_write(db):
    async def go(journal):
        run = await create(journal)
        waiting = asyncio.ensure_future(journal.write(step(run)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    on_loop(go)
    until(lambda: ExecutionStep.objects.count() == 1)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("neighbours", [0, 5])
def test_run_whose_last_step_cannot_be_written_is_not_completed(user, neighbours):
    """Its end is written with that step, or not at all; what else is in the batch is."""

    def answer(messages, info):
        bad = prompt_of(messages) == "bad"
        return ModelResponse(parts=[TextPart("done")], provider_name="a\x00b" if bad else "good")

    agent = DjangoAgent("odd", permission=AUTHENTICATED, model=FunctionModel(answer))

    async def go():
        prompts = ["bad", *("good" for _ in range(neighbours))]
        return await asyncio.gather(*(agent.run(prompt, user=user) for prompt in prompts), return_exceptions=True)

    bad, *good = asyncio.run(go())
    assert isinstance(bad, ExecutionFailed)
    assert [result.output for result in good] == ["done"] * neighbours
    assert AgentExecution.objects.get(input_prompt="bad").status == "failed"
    assert ExecutionStep.objects.count() == neighbours
