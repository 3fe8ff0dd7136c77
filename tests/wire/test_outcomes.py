"""What a provider does, and what becomes of the run: the providers' own clients against a server that misbehaves."""

import asyncio
from decimal import Decimal

import pytest

from retinue.budgets.models import LedgerEntry
from retinue.errors import ExecutionFailed
from retinue.executions.models import AgentExecution
from retinue.providers import retries
from retinue.testing import allow_model_requests
from tests.budgets.ledger import budget, check
from tests.wire.conftest import MODELS, address, failing, pricer, steps_of
from tests.wire.server import Answer, Body, Cut, Hang, Status, providing

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = Answer(text="It costs four.")


@pytest.fixture(autouse=True)
def budget_is_right(user):
    """Whatever the provider does: the budget has paid what the run cost, and nothing stays held."""
    mine = budget(user, "usd", 10)
    yield
    check()
    period, execution = mine.periods.get(), AgentExecution.objects.get()
    assert period.reserved == 0
    if execution.cost is None:  # nobody knows: what was held is paid
        holds = LedgerEntry.objects.filter(period=period, kind=LedgerEntry.Kind.HOLD)
        assert period.spent == Decimal(sum(entry.reserved_change for entry in holds)) / 10**9 > 0
    else:
        assert period.spent == execution.cost


def test_answer(asked_of, model, user):
    with asked_of(model, HELLO) as (agent, provider):
        result = agent.run_sync("How much?", user=user)
    assert result.output == "It costs four."
    assert (provider.requests, result.tokens_used) == (1, 25)
    assert steps_of(result.execution) == [("model", "model")]


def test_streamed_answer(asked_of, model, user):
    async def watch(agent):
        async with agent.stream("How much?", user=user) as events:
            async for _ in events:
                pass
        return events.result

    with asked_of(model, HELLO) as (agent, provider):
        result = asyncio.run(watch(agent))
    assert result.output.strip() == "It costs four."
    assert (provider.requests, provider.asked[0]["stream"], result.tokens_used) == (1, True, 25)


def test_streamed_tool_call(asked_of, model, user):
    async def watch(agent):
        async with agent.stream("How much?", user=user) as events:
            async for _ in events:
                pass
        return events.result

    with asked_of(model, Answer(tool="price_of", arguments='{"product": 4}'), HELLO) as (agent, provider):
        result = asyncio.run(watch(agent))
    assert (result.output.strip(), provider.requests) == ("It costs four.", 2)
    assert "4.50" in str(provider.asked[1])
    assert [kind for kind, _ in steps_of(result.execution)] == ["model", "tool", "model"]


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"])
def test_address_from_the_environment(settings, monkeypatch, user, variable):
    model = MODELS["responses" if variable.startswith("OPENAI") else "anthropic"]
    settings.RETINUE = {"MODEL": model}
    monkeypatch.setenv(variable.replace("BASE_URL", "API_KEY"), "a-key")
    with providing(HELLO) as provider, allow_model_requests():
        monkeypatch.setenv(variable, address(provider, model))
        result = pricer(None).run_sync("How much?", user=user)
    assert (result.output, provider.requests) == ("It costs four.", 1)
    # 20 * 0.25 + 5 * 2, and 20 * 1 + 5 * 5, for a million
    assert result.cost == (Decimal("0.000015") if model == MODELS["responses"] else Decimal("0.000045"))


def test_key_is_sent_and_refused(asked_of, model, user):
    with asked_of(model, Status(401)) as (agent, provider):
        execution = failing(agent, user)
    assert provider.requests == 1
    assert "a-key" in " ".join(provider.headers[0].values())
    name = model.partition(":")[2]
    assert (execution.error_code, execution.error_message) == (
        "model_authentication",
        f"The provider of {name} refused the key.",
    )


def test_too_many_requests_waits_as_asked(asked_of, model, user, monkeypatch):
    monkeypatch.setattr(retries, "FIRST_PAUSE", 1_000)  # of its own it would wait for long
    monkeypatch.setattr(retries, "LONGEST_PAUSE", 1_000)
    with asked_of(model, Status(429, {"retry-after": "0"}), HELLO) as (agent, provider):
        result = agent.run_sync("How much?", user=user)
    assert (result.output, provider.requests) == ("It costs four.", 2)
    assert steps_of(result.execution) == [("model", "model")]


def test_too_many_requests_for_an_hour_are_not_waited_for(asked_of, model, user):
    with asked_of(model, Status(429, {"retry-after": "3600"}), HELLO) as (agent, provider):
        execution = failing(agent, user)
    assert (provider.requests, execution.error_code) == (1, "model_rate_limit")
    assert execution.error_message == f"The provider of {model.partition(':')[2]} has had too many requests."


def test_too_many_requests_for_ever(asked_of, model, user):
    with asked_of(model, Status(429)) as (agent, provider):
        execution = failing(agent, user)
    assert (provider.requests, execution.error_code) == (4, "model_rate_limit")


@pytest.mark.parametrize("status", [408, 409, 500, 503, 529])
def test_failure_that_passes_is_asked_again(asked_of, model, user, status):
    with asked_of(model, Status(status), HELLO) as (agent, provider):
        assert agent.run_sync("How much?", user=user).output == "It costs four."
    assert provider.requests == 2
    assert provider.asked[0] == provider.asked[1]


def test_failure_that_stays(asked_of, model, user):
    with asked_of(model, Status(500), retries=1) as (agent, provider):
        execution = failing(agent, user)
    assert (provider.requests, execution.error_code) == (2, "model_error")
    assert execution.error_message == f"The provider of {model.partition(':')[2]} answered with status 500."


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_request_that_was_wrong_is_not_repeated(asked_of, model, user, status):
    with asked_of(model, Status(status), HELLO) as (agent, provider):
        execution = failing(agent, user)
    assert provider.requests == 1
    assert execution.error_message == f"The provider of {model.partition(':')[2]} answered with status {status}."


def test_silence_ends_and_is_not_repeated(asked_of, model, user):
    with asked_of(model, Hang(), timeout=0.3) as (agent, provider):
        execution = failing(agent, user)
    assert (provider.requests, execution.error_code) == (1, "model_error")
    name = model.partition(":")[2]
    assert execution.error_message == f"The provider of {name} did not answer in time."


def test_connection_cut_before_the_answer_is_made_again(asked_of, model, user):
    with asked_of(model, Cut(), HELLO) as (agent, provider):
        assert agent.run_sync("How much?", user=user).output == "It costs four."
    assert provider.requests == 2


def test_connection_cut_within_a_stream_is_said_and_not_repeated(asked_of, model, user):
    """Its watchers have part of the answer."""
    words = []

    async def watch(agent):
        async with agent.stream("How much?", user=user) as events:
            async for event in events:
                part = getattr(event, "delta", None) or getattr(event, "part", None)
                words.append(getattr(part, "content_delta", None) or getattr(part, "content", ""))

    with asked_of(model, Cut(HELLO, after=2), HELLO) as (agent, provider), pytest.raises(ExecutionFailed):
        asyncio.run(watch(agent))
    assert "".join(words).split()[:2] == ["It", "costs"]
    assert provider.requests == 1
    execution = AgentExecution.objects.get()
    assert (execution.status, execution.error_code) == ("failed", "model_error")
    name = {"openai:gpt-5-mini": "gpt-5-mini-2025-08-07"}.get(model, model.partition(":")[2])  # as it said by then
    assert execution.error_message == f"The provider of {name} could not be reached or broke off."


def test_answer_that_is_no_json(asked_of, model, user):
    with asked_of(model, Body('{"id": '), HELLO) as (agent, provider):
        execution = failing(agent, user)
    assert (provider.requests, execution.error_code) == (1, "model_error")
    name = model.partition(":")[2]
    assert execution.error_message == f"The provider of {name} could not be reached or broke off."


def test_tool_call_with_wrong_arguments_is_told_to_the_model(asked_of, model, user):
    wrong = Answer(tool="price_of", arguments='{"product": "lamp"}')
    right = Answer(tool="price_of", arguments='{"product": 4}')
    with asked_of(model, wrong, right, HELLO) as (agent, provider):
        result = agent.run_sync("How much?", user=user)
    assert (result.output, provider.requests) == ("It costs four.", 3)
    assert "valid integer" in str(provider.asked[1])
    assert "4.50" in str(provider.asked[2])
    assert [kind for kind, _ in steps_of(result.execution)] == ["model", "model", "tool", "model"]


def test_empty_answer_is_asked_for_again(asked_of, model, user):
    with asked_of(model, Answer(), HELLO) as (agent, provider):
        result = agent.run_sync("How much?", user=user)
    assert (result.output, provider.requests) == ("It costs four.", 2)


def test_empty_answers_only(asked_of, model, user):
    with asked_of(model, Answer()) as (agent, provider):
        execution = failing(agent, user)
    assert (provider.requests, execution.error_code) == (2, "model_behavior")
    assert execution.error_message == "The model did not give an answer that can be used."
