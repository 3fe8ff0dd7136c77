"""The worst case of a request: never under what it can use and cost."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices.data_snapshot import get_snapshot
from pydantic import BaseModel
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    DocumentUrl,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from retinue.providers import rates
from retinue.providers.bounds import FILE_TOKENS, IMAGE_TOKENS, PART_TOKENS, REQUEST_TOKENS, TOOLS_TOKENS
from retinue.providers.prices import Bound, bound
from retinue.providers.resolve import resolve_model
from retinue.providers.tokens import most_tokens

PROMPT = "the lamp"  # 3 tokens at most
EMPTY = ModelRequestParameters()
LIMIT = {"max_tokens": 1_000}


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")


def prompt(*content):
    return [ModelRequest(parts=[UserPromptPart(content[0] if len(content) == 1 else list(content))])]


def tokens(messages, parameters=EMPTY):
    """The bound on the input, over that of an empty request."""
    return bound(FunctionModel(lambda *_: None), messages, None, parameters).input_tokens - REQUEST_TOKENS


def test_dollars_and_credits():
    found = bound(resolve_model("openai:gpt-5-mini"), prompt(PROMPT), LIMIT, EMPTY)
    assert found == Bound(
        input_tokens=415,  # 400 + 12 + 3
        output_tokens=1_000,
        cost=Decimal("0.00210375"),  # 415 * 0.25 + 1,000 * 2 for a million
        charge=Decimal("0.210375"),
    )


def test_longest_output_is_the_settings_then_the_models_then_the_sites(settings):
    settings.RETINUE = {
        "MAX_OUTPUT_TOKENS": 7,
        "MODELS": {"short": {"model": "openai:gpt-5-mini", "settings": {"max_tokens": 5}}},
    }
    short, mini = resolve_model("short"), resolve_model("openai:gpt-5-mini")
    assert bound(short, prompt(PROMPT), {"max_tokens": 3}, EMPTY).output_tokens == 3
    assert bound(short, prompt(PROMPT), None, EMPTY).output_tokens == 5
    assert bound(mini, prompt(PROMPT), {"temperature": 0}, EMPTY).output_tokens == 7


def test_all_that_is_sent_is_counted():
    text = "x" * 30  # a rare letter, a token each
    part = PART_TOKENS
    assert tokens(prompt(text)) == 30 + part
    assert tokens([ModelRequest(parts=[], instructions=text)]) == 30 + part
    assert tokens([ModelResponse(parts=[TextPart(text)])]) == 30 + part
    assert tokens([ModelResponse(parts=[ThinkingPart(text, signature="s" * 100)])]) == 130 + part
    assert tokens(prompt(PROMPT, TextContent(text))) == 33 + part
    called = ToolCallPart("look", {"q": text})
    assert tokens([ModelResponse(parts=[called])]) == part + most_tokens("look") + most_tokens(f'{{"q":"{text}"}}')
    returned = ToolReturnPart("look", {"q": text}, "c1")
    assert tokens([ModelRequest(parts=[returned])]) == part + most_tokens("look") + most_tokens(f'{{"q":"{text}"}}')


def test_only_the_last_instructions_are_sent():
    first = ModelRequest(parts=[], instructions="x" * 1_000)
    assert tokens([first, ModelRequest(parts=[], instructions="x")]) == 1 + PART_TOKENS


def test_schemas_of_tools_and_output_are_counted():
    class Reading(BaseModel):
        tone: str

    schema = Reading.model_json_schema()
    tool = ToolDefinition(name="look", description="Looks it up.", parameters_json_schema=schema)
    size = len(str(schema)) // 3
    found = tokens([], ModelRequestParameters(function_tools=[tool], output_tools=[tool]))
    assert found >= TOOLS_TOKENS + 2 * (size + PART_TOKENS)
    assert found == tokens([], ModelRequestParameters(function_tools=[tool, tool]))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ImageUrl("https://example.com/lamp.png"), IMAGE_TOKENS),
        (BinaryContent(b"x" * 90, media_type="image/png"), IMAGE_TOKENS),
        (BinaryContent(b"x" * 90, media_type="text/plain"), 90),
        (BinaryContent(b"x" * 90, media_type="application/pdf"), 90),
        (BinaryContent(b"x" * 999_999, media_type="audio/wav"), FILE_TOKENS),
        (DocumentUrl("https://example.com/lamp.pdf"), FILE_TOKENS),
        (CachePoint(), 0),
    ],
)
def test_files(content, expected):
    assert tokens(prompt(PROMPT, content)) == 3 + PART_TOKENS + expected


def test_model_that_counts_pictures_dearly():
    image = ImageUrl("https://example.com/lamp.png")
    assert bound(resolve_model("openai:gpt-4o-mini"), prompt(image, ""), LIMIT, EMPTY).input_tokens == 50_412


def test_cache_that_lasts_costs_more_to_fill():
    model = resolve_model("anthropic:claude-haiku-4-5")  # 1, into a cache 1.25 and 2, output 5
    short = bound(model, prompt(PROMPT), LIMIT, EMPTY)
    assert short.cost == Decimal("0.00551875")  # 415 * 1.25 + 1,000 * 5
    for messages, given in (
        (prompt(PROMPT), {"anthropic_cache_instructions": "1h"}),
        (prompt(PROMPT), {"cache": "1h"}),
        (prompt(PROMPT, CachePoint(ttl="1h")), {}),
    ):
        assert bound(model, messages, {**LIMIT, **given}, EMPTY).cost == Decimal("0.00583")  # 415 * 2 + 1,000 * 5


def test_long_context_costs_more():
    model = resolve_model("anthropic:claude-sonnet-4-5")  # over 200,000: 7.50 into the cache, 22.50
    found = bound(model, prompt("x" * 200_000), LIMIT, EMPTY)
    assert (found.input_tokens, found.cost) == (200_412, Decimal("1.52559"))


def test_service_tier_that_is_asked_for_may_cost_more():
    model = resolve_model("openai:gpt-5-mini")  # priority: 0.45 and 3.60
    found = bound(model, prompt(PROMPT), {**LIMIT, "openai_service_tier": "auto"}, EMPTY)
    assert found.cost == Decimal("0.00378675")


def test_chain_may_need_all_of_its_models():
    """Each may have used tokens before it failed."""
    mini, haiku = resolve_model("openai:gpt-5-mini"), resolve_model("anthropic:claude-haiku-4-5")
    chain = WrapperModel(FallbackModel(mini, FallbackModel(haiku)))
    assert bound(chain, prompt(PROMPT), LIMIT, EMPTY) == Bound(
        input_tokens=830, output_tokens=2_000, cost=Decimal("0.0076225"), charge=Decimal("0.76225")
    )
    unpriced = resolve_model("openai:my-own-model")
    assert bound(FallbackModel(mini, unpriced), prompt(PROMPT), LIMIT, EMPTY).cost is None


def test_unknown_price(settings):
    model = resolve_model("openai:my-own-model")
    assert bound(model, prompt(PROMPT), LIMIT, EMPTY) == Bound(
        input_tokens=415, output_tokens=1_000, cost=None, charge=None
    )
    settings.RETINUE = {"UNKNOWN_PRICE": {"input": 10, "output": 30, "request": "0.1"}}
    assert bound(model, prompt(PROMPT), LIMIT, EMPTY).cost == Decimal("0.13415")


@pytest.mark.parametrize("rate", [100, None])
def test_models_that_run_here_cost_nothing(settings, rate):
    settings.RETINUE = {"CREDITS_PER_USD": rate}
    found = bound(FunctionModel(lambda *_: None), prompt(PROMPT), LIMIT, EMPTY)
    assert (found.cost, found.charge) == (0, 0)


def test_model_that_names_its_own_charge():
    class Charging(WrapperModel):
        def bound_charge(self, settings):
            return Decimal(settings["context_allocation"])

    model = Charging(resolve_model("openai:gpt-5-mini"))
    found = bound(model, prompt(PROMPT), {**LIMIT, "context_allocation": 50}, EMPTY)
    assert (found.cost, found.charge) == (None, Decimal(50))


def test_no_model_can_cost_more_than_its_bound():
    """For every price that is published: whichever way the input was cached, in any of its tiers."""
    now, checked = datetime.now(UTC), 0
    for provider in get_snapshot().providers:
        for info in provider.models:
            worst = rates._worst_published(rates._Known(info), now.date(), False)
            if worst is None:
                continue
            for size in (1_000, 250_000):
                for cached in ({}, {"cache_write_tokens": size}, {"cache_read_tokens": size}):
                    usage = RequestUsage(input_tokens=size, output_tokens=size, **cached)
                    cost = info.get_prices(now).calc_price(usage)["total_price"]
                    assert cost <= worst.cost(size, size), (provider.id, info.id, usage)
                    checked += 1
    assert checked > 5_000
