"""What a run costs, to the last digit, from what real client libraries read off the wire.

US dollars for a million tokens: gpt-5-mini takes 0.25, 0.025 from its cache, and 2 for output. claude-haiku-4-5 takes
1, 0.10 from its cache, 1.25 and 2 into one of five minutes and of an hour, and 5 for output.
"""

import asyncio
from decimal import Decimal

import pytest

from retinue.errors import ExecutionFailed
from retinue.executions.models import AgentExecution
from retinue.testing import allow_model_requests
from tests.wire.conftest import MODELS, address, failing, pricer
from tests.wire.server import Answer, Body, Cut, Hang, Status, providing
from tests.wire.turns import Usage

pytestmark = pytest.mark.django_db(transaction=True)

CACHED = Answer(text="It costs four.", usage=Usage(input=12_003, cached=10_001, output=307))
OPENAI = Decimal("0.001364525")  # (2,002 * 0.25 + 10,001 * 0.025 + 307 * 2) / 10^6
WRITTEN = Answer(
    text="It costs four.", usage=Usage(input=15_000, cached=10_000, written=4_000, written_1h=999, output=300)
)
CLAUDE = Decimal("0.00924925")  # (1,000 * 1 + 10,000 * 0.10 + 3,001 * 1.25 + 999 * 2 + 300 * 5) / 10^6


def run(agent, user):
    return agent.run_sync("How much?", user=user).execution


def watch(agent, user):
    async def watched():
        async with agent.stream("How much?", user=user) as events:
            async for _ in events:
                pass

    asyncio.run(watched())
    return AgentExecution.objects.get()


@pytest.fixture
def chained(settings, monkeypatch):
    """An agent that asks Claude first, then OpenAI, each of a provider of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")

    def asked(first, second, **more):
        models = {
            name: {"model": MODELS[wire], "base_url": address(provider, MODELS[wire])}
            for name, wire, provider in (("claude", "anthropic", first), ("mini", "responses", second))
        }
        settings.RETINUE = {"MODELS": {**models, "smart": {"models": ["claude", "mini"], **more}}}
        return pricer("smart")

    return asked


@pytest.mark.parametrize("ask", [run, watch])
@pytest.mark.parametrize("wire", ["responses", "chat"])
def test_openai_with_cached_input(asked_of, user, wire, ask):
    with asked_of(MODELS[wire], CACHED) as (agent, _):
        execution = ask(agent, user)
    (step,) = execution.steps.all()
    assert (execution.cost, step.cost, step.provider_cost) == (OPENAI, OPENAI, "0.001364525")
    assert (execution.charge, step.charge) == (Decimal("0.1364525"), Decimal("0.1364525"))
    assert (step.input_tokens, step.output_tokens) == (12_003, 307)


@pytest.mark.parametrize("ask", [run, watch])
def test_claude_with_cache_reads_and_writes(asked_of, user, ask):
    with asked_of(MODELS["anthropic"], WRITTEN) as (agent, _):
        execution = ask(agent, user)
    (step,) = execution.steps.all()
    assert (execution.cost, step.cost, step.provider_cost) == (CLAUDE, CLAUDE, "0.00924925")
    assert (step.input_tokens, step.output_tokens) == (15_000, 300)


def test_claude_interrupted_after_three_chunks_costs_what_it_said(asked_of, user):
    """Its first message says the input; of the output it has counted one token then."""
    with asked_of(MODELS["anthropic"], Cut(WRITTEN, after=3)) as (agent, _), pytest.raises(ExecutionFailed):
        watch(agent, user)
    execution = AgentExecution.objects.get()
    # (1,000 * 1 + 10,000 * 0.10 + 3,001 * 1.25 + 999 * 2 + 1 * 5) / 10^6
    assert execution.cost == Decimal("0.00775425")
    assert execution.tokens_used == 15_001


@pytest.mark.parametrize("wire", ["responses", "chat"])
def test_openai_interrupted_after_three_chunks_has_said_nothing(asked_of, user, wire):
    """It counts at the end only: the cost is unknown, not nothing."""
    with asked_of(MODELS[wire], Cut(CACHED, after=3)) as (agent, _), pytest.raises(ExecutionFailed):
        watch(agent, user)
    assert AgentExecution.objects.get().cost is None


def test_first_attempt_of_a_fallback_that_used_tokens_is_paid_for(chained, user):
    """Claude's stream breaks off before its first word: nobody has seen any of it, so OpenAI is asked."""
    with (
        providing(Cut(WRITTEN, after=-2)) as first,
        providing(CACHED) as second,
        allow_model_requests(),
    ):
        execution = watch(chained(first, second), user)
    assert (first.requests, second.requests) == (1, 1)
    (step,) = execution.steps.all()
    assert step.name == "openai:gpt-5-mini-2025-08-07"
    assert step.cost == Decimal("0.009118775") == Decimal("0.00775425") + OPENAI
    assert execution.cost == step.cost
    assert execution.tokens_used == 15_001 + 12_310


def test_second_model_of_a_chain_is_paid_for_as_itself(settings, chained, user):
    with providing(Cut(WRITTEN, after=3)) as claude, providing(Status(500)) as mini, allow_model_requests():
        chained(claude, mini, retries=0)
        models = settings.RETINUE["MODELS"]
        settings.RETINUE = {"MODELS": {**models, "smart": {"models": ["mini", "claude"], "retries": 0}}}
        with pytest.raises(ExecutionFailed):
            watch(pricer("smart"), user)
    assert (mini.requests, claude.requests) == (1, 1)
    assert AgentExecution.objects.get().cost == Decimal("0.00775425")


def test_fallback_after_a_refusal_costs_what_answered(chained, user):
    with providing(Status(529)) as first, providing(CACHED) as second, allow_model_requests():
        execution = run(chained(first, second, retries=0), user)
    assert (first.requests, second.requests, execution.cost) == (1, 1, OPENAI)


@pytest.mark.parametrize("turn", [Hang(), Body("<html>")])
def test_first_attempt_that_may_be_billed_makes_the_cost_unknown(chained, user, turn):
    with providing(turn) as first, providing(CACHED) as second, allow_model_requests():
        execution = run(chained(first, second, timeout=0.3), user)
    assert (first.requests, second.requests, execution.cost) == (1, 1, None)


def test_fallback_where_nobody_answers_names_each(chained, user):
    with providing(Status(401)) as first, providing(Status(500)) as second, allow_model_requests():
        execution = failing(chained(first, second, retries=1), user)
    assert (first.requests, second.requests) == (1, 2)
    assert (execution.error_code, execution.error_message) == (
        "models_failed",
        "No model of 'smart' answered: anthropic:claude-haiku-4-5 (the key was refused), "
        "openai:gpt-5-mini (status 500).",
    )
    assert execution.cost == 0


def test_server_of_ones_own_costs_what_is_declared(asked_of, user):
    with asked_of("gpt-4o", CACHED, price={"input": "0.0625", "output": "0.5"}) as (agent, _):
        execution = run(agent, user)
    # (12,003 * 0.0625 + 307 * 0.5) / 10^6 = 0.0009036875, rounded up
    assert (execution.cost, execution.steps.get().provider_cost) == (Decimal("0.000903688"), "0.0009036875")
    assert execution.charge == Decimal("0.09036875")


def test_server_of_ones_own_is_not_priced_as_openai(asked_of, settings, user):
    with asked_of("gpt-4o", CACHED) as (agent, provider):
        settings.RETINUE = {**settings.RETINUE, "DEFAULT_BUDGETS": []}  # one of money would refuse it
        execution = run(agent, user)
    assert provider.asked[0]["model"] == "gpt-4o"
    assert (execution.cost, execution.charge) == (None, None)
