"""The model as pydantic-ai sees it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ToolOrOutput
from pydantic_ai.tools import Tool

from retinue.providers.offline import OfflineModel
from retinue.providers.offline.plan import MOST_ROUNDS
from tests.providers.offline.shop import PRODUCTS, called, calls, get_product, search_products, set_price, shop

CHAIN = "Set the price of the Oslo lamp to 79.90"


def responses(messages: list[ModelMessage]) -> list[ModelResponse]:
    return [message for message in messages if isinstance(message, ModelResponse)]


def test_names():
    model = OfflineModel()
    assert (model.system, model.model_name, model.model_id) == ("offline", "default", "offline:default")
    assert OfflineModel("other", latency=0.5).model_name == "other"


def test_chain_searches_then_acts_then_tells():
    result = shop(search_products, get_product, set_price).run_sync(CHAIN)
    assert called(result.new_messages()) == [
        ("search_products", {"query": "Oslo lamp"}),
        ("set_price", {"product_id": 17, "price": 79.9}),
    ]
    assert result.output == "The price of product 17 is now 79.90."


def test_same_conversation_gets_the_same_answer():
    one, other = (responses(shop().run_sync(CHAIN).new_messages()) for _ in range(2))
    assert [r.parts for r in one] == [r.parts for r in other]
    assert [r.usage for r in one] == [r.usage for r in other]


def test_call_ids_are_unique_in_a_conversation():
    agent = shop()
    history: list[ModelMessage] = []
    for _ in range(3):
        history = agent.run_sync("Which lamps do you have?", message_history=history).all_messages()
    ids = [part.tool_call_id for r in responses(history) for part in r.parts if isinstance(part, ToolCallPart)]
    assert len(ids) == len(set(ids)) == 3


def test_response_says_who_answered_and_what_it_took():
    result = Agent(OfflineModel()).run_sync("Hello")
    response = responses(result.new_messages())[0]
    assert (response.provider_name, response.model_name, response.finish_reason) == ("offline", "default", "stop")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (6, 52)
    assert response.usage.cost is None


def test_usage_counts_tools_and_history():
    one = shop(set_price).run_sync("Set the price of product 17 to 5").usage
    assert one.requests == 2
    assert one.input_tokens > 100


def test_latency_is_waited_for():
    agent = Agent(OfflineModel(latency=0.05))
    started = time.monotonic()
    agent.run_sync("Hello")
    assert 0.05 <= time.monotonic() - started < 0.5


def test_latency_of_a_stream_is_the_same_and_spread():
    async def watch() -> tuple[float, float]:
        started = time.monotonic()
        async with Agent(OfflineModel(latency=0.2)).run_stream("Hello") as stream:
            times = [time.monotonic() - started async for _ in stream.stream_text(delta=True, debounce_by=None)]
        return times[0], times[-1]

    first, last = asyncio.run(watch())
    assert 0.1 <= first < last
    assert 0.19 <= last < 0.8


def test_usage_is_known_before_the_first_word():
    """Who stops it there is not charged for all that it might have said."""

    async def look() -> int:
        messages = [ModelRequest(parts=[UserPromptPart("Hello")])]
        async with OfflineModel(latency=60).request_stream(messages, None, ModelRequestParameters()) as stream:
            return stream.usage.input_tokens

    assert asyncio.run(look()) > 0


class Mood(BaseModel):
    sentiment: str
    keywords: list[str]


@pytest.mark.parametrize(
    ("prompt", "options"),
    [("Which lamps do you have?", {}), ("Hello", {}), (CHAIN, {}), ("I love the lamp", {"output_type": Mood})],
)
def test_streamed_response_equals_the_other(prompt, options):
    async def stream() -> list[ModelMessage]:
        async with shop(**options).run_stream(prompt) as result:
            await result.get_output()
        return result.new_messages()

    streamed = responses(asyncio.run(stream()))
    plain = responses(shop(**options).run_sync(prompt).new_messages())

    def bare(found: list[ModelResponse]) -> list[ModelResponse]:
        at = plain[0].timestamp
        return [replace(r, timestamp=at, run_id=None, conversation_id=None) for r in found]

    assert bare(streamed) == bare(plain)


def test_text_streams_by_the_word():
    async def watch() -> list[str]:
        async with Agent(OfflineModel()).run_stream("Hello") as stream:
            return [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]

    pieces = asyncio.run(watch())
    assert pieces[:3] == ["Hello!", "\n\nI", " am"]
    assert "".join(pieces) == Agent(OfflineModel()).run_sync("Hello").output


def test_arguments_stream_in_pieces():
    async def watch() -> int:
        events = 0
        async with shop().run_stream_events(CHAIN) as stream:
            async for event in stream:
                events += type(event).__name__ == "PartDeltaEvent"
        return events

    assert asyncio.run(watch()) > 5


def test_stream_can_be_cancelled():
    async def watch() -> str:
        async with Agent(OfflineModel(latency=0.5)).run_stream("Hello") as stream:
            async for _ in stream.stream_text(delta=True, debounce_by=None):
                await stream.cancel()
            return stream.response.state

    assert asyncio.run(watch()) == "interrupted"


@pytest.mark.parametrize("choice", ["none", ToolOrOutput(["get_product"])])
def test_tool_choice_is_kept(choice):
    agent = shop(search_products, get_product)
    result = agent.run_sync("Which lamps do you have?", model_settings={"tool_choice": choice})
    assert called(result.new_messages()) == []


def test_deferred_tools_are_searched_for():
    found = calls("Find products called Oslo lamp", *_deferred())
    assert found == [
        ("search_tools", {"queries": ["Find", "products", "called", "Oslo", "lamp"]}),
        ("search_products", {"query": "Oslo lamp"}),
    ]


def _deferred():
    return [Tool(search_products, defer_loading=True), Tool(set_price, defer_loading=True)]


WORDS = st.sampled_from(
    [
        *re.findall(
            r"\S+",
            """set change delete create show find list the price stock of product products to by 17 18 all Oslo lamp
            Bergen chair it and then . , ? ! : € 12.50 10% cheapest don't how many reviews rename called every under
            raise #17 it's""",
        ),
        '"Oslo lamp"',
        "\n",
        "\n\n",
    ]
)
PIECES = ["1.", "a-", '"', "\n", ": ", " \n", "x@", "and set ", "'", "€", "because ", "A", "."]


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=60))
def test_any_prompt_ends_and_no_call_is_made_twice(prompt):
    result = shop().run_sync(prompt or " ")
    made = [str(call) for call in called(result.new_messages())]
    assert len(made) == len(set(made))
    assert result.usage.requests <= MOST_ROUNDS + 1
    assert isinstance(responses(result.new_messages())[-1].parts[0], TextPart)


@pytest.mark.parametrize("piece", PIECES)
def test_long_prompts_are_answered_quickly(piece):
    prompt = "a" + piece * (100_000 // len(piece)) + "b"
    started = time.process_time()
    shop().run_sync(prompt)
    assert time.process_time() - started < 2


def test_a_request_costs_little():
    agent, prompt = shop(set_price, get_product), "Set the price of product 17 to 5"
    agent.run_sync(prompt)
    model, params = OfflineModel(), _parameters(agent)
    messages = agent.run_sync(prompt).all_messages()[:1]

    async def ask() -> None:
        for _ in range(50):
            await model.request(messages, None, params)

    started = time.process_time()
    asyncio.run(ask())
    assert (time.process_time() - started) / 50 < 0.005  # measured: 0.0004


def _parameters(agent):
    return ModelRequestParameters(function_tools=[Tool(tool).tool_def for tool in (set_price, get_product)])


def test_import_loads_neither_django_nor_a_provider():
    code = (
        "import sys, retinue.providers.offline; "
        "print([m for m in ('django', 'openai', 'anthropic', 'jsonschema') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.strip() == "[]"


def _environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_records_are_not_changed():
    before = [dict(product) for product in PRODUCTS]
    shop().run_sync("Raise the price of all lamps by 10%")
    assert before == PRODUCTS
