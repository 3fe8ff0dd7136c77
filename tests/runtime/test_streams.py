"""Watching a run from the process that runs it."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelResponse,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
)
from pydantic_ai.models.function import FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.errors import AgentPermissionDenied, ExecutionFailed, ExecutionWaiting, InvalidInput, TransactionOpen
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.testing import run_queued
from tests.scripted import call, scripted
from tests.shop.models import Note
from tests.waiting import WAIT_SECONDS, opened, until

pytestmark = pytest.mark.django_db(transaction=True)


def noter(*turns, model=None, **policy):
    agent = DjangoAgent("noter", permission=AUTHENTICATED, model=model or scripted(*turns))

    @agent.tool(**policy)
    def add_note(ctx: RunContext[DjangoDeps], label: str) -> str:
        if label == "broken":
            raise RuntimeError("secret")
        Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
        return f"noted {label}"

    return agent


@async_to_sync
async def watch(agent, user, prompt="Go"):
    """All events of a run, and the stream."""
    seen = []
    async with agent.stream(prompt, user=user) as events:
        async for event in events:
            seen.append(event)
    return seen, events


def text_of(events):
    """The text as a watcher sees it grow."""
    return "".join(
        event.part.content if isinstance(event, PartStartEvent) else event.delta.content_delta
        for event in events
        if isinstance(event, PartStartEvent | PartDeltaEvent) and "text" in repr(event).lower()
    )


def test_events_are_typed_and_in_order(user):
    seen, events = watch(noter([call("add_note", label="a")], "all is noted"), user)
    called = next(i for i, event in enumerate(seen) if isinstance(event, FunctionToolCallEvent))
    gave = next(i for i, event in enumerate(seen) if isinstance(event, FunctionToolResultEvent))
    assert isinstance(seen[0], PartStartEvent)
    assert 0 < called < gave
    assert seen[called].part.tool_name == "add_note"
    assert seen[gave].part.content == "noted a"
    answer = seen[gave + 1 :]
    assert isinstance(answer[0], PartStartEvent)
    assert text_of(answer) == "all is noted "
    assert [type(event) for event in answer if not isinstance(event, PartDeltaEvent)][:2] == [
        PartStartEvent,
        type(next(e for e in answer if e.event_kind == "final_result")),
    ]
    assert isinstance(answer[-1], PartEndEvent)
    assert events.result.output == "all is noted "
    execution = AgentExecution.objects.get()
    assert (events.result.execution.pk, execution.status) == (execution.pk, "completed")
    assert [step.kind for step in ExecutionStep.objects.all()] == ["model", "tool", "model"]


def test_events_come_while_the_model_still_speaks(user):
    gate = threading.Event()

    async def speak(messages, info):
        yield "one "
        await opened(gate)
        yield "two"

    async def go():
        seen = []
        async with noter(model=FunctionModel(stream_function=speak)).stream("Go", user=user) as events:
            with pytest.raises(RuntimeError, match="has not ended yet"):
                _ = events.result
            async for event in events:
                if not seen:
                    assert not gate.is_set()
                    assert event.part.content == "one "
                    gate.set()
                seen.append(event)
            return events.result.output

    assert async_to_sync(go)() == "one two"


def test_error_is_raised_at_the_end(user):
    async def go():
        seen = []
        with pytest.raises(ExecutionFailed) as caught:
            async with noter([call("add_note", label="broken")], "never").stream("Go", user=user) as events:
                async for event in events:
                    seen.append(event)
        return seen, events, caught.value

    seen, events, error = async_to_sync(go)()
    assert any(isinstance(event, FunctionToolCallEvent) for event in seen)
    assert "secret" not in str(error)
    with pytest.raises(ExecutionFailed) as again:
        _ = events.result
    assert again.value is error
    assert (AgentExecution.objects.get().status, error.execution.status) == ("failed", "failed")


def test_refusal_is_raised_at_the_end(user):
    agent = DjangoAgent("warden", permission="shop.view_product", model=scripted("never"))
    with pytest.raises(AgentPermissionDenied):
        watch(agent, user)
    assert AgentExecution.objects.count() == 0


def test_bad_input_is_raised_at_once(user):
    with pytest.raises(InvalidInput):
        watch(noter("never"), user, prompt=" ")


def test_iterating_again_ends_at_once(user):
    async def go():
        async with noter("some words").stream("Go", user=user) as events:
            first = [event async for event in events]
            second = [event async for event in events]
        return len(first), len(second)

    first, second = async_to_sync(go)()
    assert (first > 0, second) == (True, 0)


def test_leaving_early_lets_the_run_finish(user):
    gate = threading.Event()

    async def speak(messages, info):
        yield "one "
        await opened(gate)
        yield "two"

    async def go():
        async with noter(model=FunctionModel(stream_function=speak)).stream("Go", user=user) as events:
            async for _ in events:
                break

    asyncio.run(go())  # the watcher's loop is closed by now
    assert AgentExecution.objects.get().status == "running"
    gate.set()
    until(lambda: AgentExecution.objects.exclude(status="running").exists())
    execution = AgentExecution.objects.get()
    assert (execution.status, execution.output_data) == ("completed", "one two")


def test_watcher_that_is_cancelled_lets_the_run_finish(user):
    asked, gate = threading.Event(), threading.Event()

    async def speak(messages, info):
        asked.set()
        await opened(gate)
        yield "done"

    async def follow():
        async with noter(model=FunctionModel(stream_function=speak)).stream("Go", user=user) as events:
            async for _ in events:
                pass

    async def go():
        watching = asyncio.ensure_future(follow())
        await asyncio.to_thread(asked.wait, WAIT_SECONDS)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    asyncio.run(go())
    gate.set()
    until(lambda: AgentExecution.objects.filter(status="completed").exists())


def test_waiting_is_raised_at_the_end(user):
    agent = noter([call("add_note", label="a")], "done", approval=True)

    async def go():
        seen = []
        with pytest.raises(ExecutionWaiting) as caught:
            async with agent.stream("Go", user=user) as events:
                async for event in events:
                    seen.append(event)
        return seen, caught.value.execution

    seen, execution = async_to_sync(go)()
    assert seen and not any(isinstance(event, FunctionToolResultEvent) for event in seen)
    assert execution.status == "waiting"
    approve(Approval.objects.get(), by=user)
    (ran,) = run_queued(agent)
    assert (ran.pk, ran.status, Note.objects.count()) == (execution.pk, "completed", 1)


def test_two_watchers_see_their_own_runs(user):
    agent = noter(model=FunctionModel(stream_function=echo))

    async def follow(prompt):
        async with agent.stream(prompt, user=user) as events:
            return text_of([event async for event in events])

    @async_to_sync
    async def go():
        return await asyncio.gather(*(follow(f"prompt {number}") for number in range(10)))

    assert go() == [f"prompt {number}" for number in range(10)]


async def echo(messages, info):
    prompt = messages[0].parts[0].content
    for letter in prompt:
        await asyncio.sleep(0)
        yield letter


@pytest.mark.parametrize("in_tests", [True, False])
@pytest.mark.parametrize("start", [watch, lambda agent, user: async_to_sync(agent.run)("Go", user=user)])
def test_transaction_of_sync_code_above_is_seen(user, monkeypatch, start, in_tests):
    """The thread that waits in async_to_sync has the transaction, not the one that runs the coroutine."""
    monkeypatch.setattr("retinue.runtime.calls.in_tests", lambda: in_tests)
    with transaction.atomic(), pytest.raises(TransactionOpen):
        start(noter("never"), user)
    assert AgentExecution.objects.count() == 0


def test_model_that_cannot_stream_fails_the_run(user):
    model = FunctionModel(lambda messages, info: ModelResponse(parts=[TextPart("whole")]))
    with pytest.raises(ExecutionFailed):
        watch(noter(model=model), user)
