"""What an answer costs, against figures worked out by hand. Dollars for a million tokens stand beside them."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

from retinue.providers.attempts import Attempt, collecting, rejected, report
from retinue.providers.offline import OfflineModel
from retinue.providers.prices import Price, price, price_usage
from retinue.providers.resolve import resolve_model

UNKNOWN = Price(cost=None)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")


def answer(model, usage, **more):
    given = {"provider_name": model.system, "provider_url": model.base_url, "model_name": model.model_name, **more}
    return ModelResponse(parts=[], usage=usage, **given)


def used(input_tokens=1_000, output_tokens=100, **more):
    return RequestUsage(input_tokens=input_tokens, output_tokens=output_tokens, **more)


def test_cached_input_of_openai():
    model = resolve_model("openai:gpt-5-mini")  # 0.25, from the cache 0.025, output 2
    response = answer(model, used(3_001, 7, cache_read_tokens=2_000), model_name="gpt-5-mini-2025-08-07")
    # 1,001 * 0.25 + 2,000 * 0.025 + 7 * 2 = 314.25
    expected = Price(cost=Decimal("0.00031425"), provider_cost="0.00031425", charge=Decimal("0.031425"))
    assert price(response, model) == expected
    assert response.usage.cost == Decimal("0.00031425")


def test_caches_of_claude():
    model = resolve_model("anthropic:claude-sonnet-4-5")  # 3, from the cache 0.30, into it 3.75 and 6, output 15
    usage = used(10_000, 1_000, cache_read_tokens=6_000, cache_write_tokens=3_000, cache_write_1h_tokens=1_000)
    # 1,000 * 3 + 6,000 * 0.30 + 2,000 * 3.75 + 1,000 * 6 + 1,000 * 15 = 33,300
    assert price(answer(model, usage), model).cost == Decimal("0.0333")


def test_long_context_of_claude_costs_more():
    model = resolve_model("anthropic:claude-sonnet-4-5")  # over 200,000 tokens of input: 6 and 22.50
    assert price(answer(model, used(200_000, 10)), model).cost == Decimal("0.60015")
    assert price(answer(model, used(200_001, 10)), model).cost == Decimal("1.200231")


def test_service_tier_that_the_provider_says():
    model = resolve_model("openai:gpt-5-mini")  # priority: 0.45 and 3.60
    at = datetime(2026, 11, 1, tzinfo=UTC)
    response = answer(model, used(), provider_details={"service_tier": "priority"}, timestamp=at)
    assert price(response, model).cost == Decimal("0.00081")


@pytest.mark.parametrize("model", [TestModel(), FunctionModel(lambda *_: None), OfflineModel()])
def test_models_that_run_here_cost_nothing(model, settings):
    assert price(answer(model, used()), model) == Price(cost=Decimal(0), charge=Decimal(0))
    settings.RETINUE = {"PRICES": {model.model_id: {"input": 1, "output": "10"}}}
    assert price(answer(model, used()), model).cost == Decimal("0.002")


@pytest.mark.parametrize(
    "name",
    ["openai:gpt-5-mini", "quick", "api.openai.com:gpt-5-mini"],
)
def test_declared_price_wins_by_any_name(settings, name):
    settings.RETINUE = {
        "MODELS": {"quick": "openai:gpt-5-mini"},
        "PRICES": {name: {"input": "0.1", "output": "0.2", "cache_read": "0.01", "request": "0.005"}},
    }
    model = resolve_model("quick")
    # 600 * 0.1 + 400 * 0.01 + 100 * 0.2 = 84, and half a cent for the request
    assert price(answer(model, used(cache_read_tokens=400)), model).cost == Decimal("0.005084")


def test_what_has_no_price_of_its_own_costs_as_input(settings):
    settings.RETINUE = {"PRICES": {"openai:gpt-5-mini": {"input": "1", "output": "2"}}}
    model = resolve_model("openai:gpt-5-mini")
    usage = used(cache_read_tokens=500, cache_write_tokens=300)
    assert price(answer(model, usage), model).cost == Decimal("0.0012")


def test_fraction_of_a_unit_is_rounded_up_once(settings):
    settings.RETINUE = {"PRICES": {"openai:gpt-5-mini": {"input": "0.0001", "output": "0"}}, "CREDITS_PER_USD": 30}
    model = resolve_model("openai:gpt-5-mini")
    found = price(answer(model, used(12)), model)
    assert found == Price(cost=Decimal("2e-9"), provider_cost="0.0000000012", charge=Decimal("3.6e-8"))


def test_cost_that_the_provider_reports_wins(settings):
    settings.RETINUE = {"PRICES": {"openai:gpt-5-mini": {"input": "1", "output": "2"}}}
    model = resolve_model("openai:gpt-5-mini")
    response = answer(model, used(), provider_details={"cost": 0.00042})
    expected = Price(cost=Decimal("0.00042"), provider_cost="0.00042", charge=Decimal("0.042"))
    assert price(response, model) == expected
    assert price(answer(model, used(cost=Decimal("0.3"))), model).cost == Decimal("0.3")


@pytest.mark.parametrize("cost", [-1, "free", float("nan"), True, None, {}])
def test_reported_cost_that_cannot_be_one_is_not_taken(cost):
    model = resolve_model("openai:gpt-5-mini")
    assert price(answer(model, used(), provider_details={"cost": cost}), model).cost == Decimal("0.00045")


def test_charge_in_credits_is_kept_as_sent():
    model = resolve_model("openai:gpt-5-mini")
    sent = "0.123456789012345678"
    found = price(answer(model, used(), provider_details={"charge": sent}), model)
    assert found == Price(cost=None, charge=Decimal("0.123456790"), provider_charge=sent)


def test_no_credits_for_dollars_where_the_site_says_so(settings):
    settings.RETINUE = {"CREDITS_PER_USD": None}
    model = resolve_model("openai:gpt-5-mini")
    assert price(answer(model, used()), model) == Price(cost=Decimal("0.00045"), provider_cost="0.00045")


def test_unknown_price_is_unknown_or_what_the_site_declares(settings):
    settings.RETINUE = {"UNKNOWN_PRICE": "block"}
    model = resolve_model("openai:my-own-model")
    assert price(answer(model, used()), model) == UNKNOWN
    settings.RETINUE = {"UNKNOWN_PRICE": {"input": "5", "output": "20"}}
    assert price(answer(model, used()), model).cost == Decimal("0.007")


@pytest.mark.parametrize("usage", [RequestUsage(), used(0, 0, unmeasured_requests=1)])
def test_nothing_reported_is_unknown(settings, usage):
    for declared in ({}, {"openai:gpt-5-mini": {"input": 1, "output": 2, "request": "0.1"}}):
        settings.RETINUE = {"PRICES": declared}
        model = resolve_model("openai:gpt-5-mini")
        assert price(answer(model, usage), model) == price_usage(usage, model) == UNKNOWN
    settings.RETINUE = {"PRICES": {"openai:gpt-5-mini": {"request": "0.1"}}}
    assert price_usage(usage, model).cost == Decimal("0.1")


def test_figures_that_contradict_each_other_are_unknown():
    model = resolve_model("anthropic:claude-sonnet-4-5")
    assert price(answer(model, used(10, cache_read_tokens=11)), model) == UNKNOWN


def test_request_that_broke_off_costs_what_it_reported():
    model = resolve_model("anthropic:claude-sonnet-4-5")
    assert price_usage(used(1_000, 1), model).cost == Decimal("0.003015")


def test_answer_of_a_chain_is_priced_by_who_gave_it():
    mini, sonnet = resolve_model("openai:gpt-5-mini"), resolve_model("anthropic:claude-sonnet-4-5")
    nano = resolve_model("openai:gpt-5-nano")  # 0.05 and 0.40
    chain = FallbackModel(mini, sonnet, nano)
    assert price(answer(sonnet, used()), chain).cost == Decimal("0.0045")
    assert price(answer(nano, used(), model_name="gpt-5-nano-2025-08-07"), chain).cost == Decimal("0.00009")
    assert price(answer(mini, used()), chain).cost == Decimal("0.00045")


def test_attempts_are_collected_where_somebody_collects():
    attempt = Attempt(model="openai:gpt-5-mini", usage=used(), price=UNKNOWN, error="status 500")
    report(attempt)
    with collecting() as attempts:
        report(attempt)
    assert attempts == [attempt]


def test_answer_that_a_chain_rejected_is_an_attempt():
    def reject(response: ModelResponse) -> bool:
        return response.model_name == "first"

    def model(name):
        return FunctionModel(lambda *_: ModelResponse(parts=[], usage=used(), model_name=name), model_name=name)

    chain = FallbackModel(model("first"), model("second"), fallback_on=[ValueError, reject])
    response = asyncio.run(chain.request([], None, ModelRequestParameters()))
    (attempt,) = rejected(response, chain)
    assert (attempt.model, attempt.usage.input_tokens, attempt.error) == ("function:first", 1_000, "rejected")
    assert attempt.price.cost == 0
