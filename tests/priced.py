"""A scripted model with a price: every answer uses the same, so that every figure is known before."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from decimal import Decimal
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

PRICES = {"function:priced": {"input": 2, "output": 10}}
USAGE = RequestUsage(input_tokens=400, output_tokens=500)
USD, CREDITS, TOKENS = Decimal("0.0058"), Decimal("0.58"), 900
"""Of one answer: 400 × 2 + 500 × 10 millionths; a hundred credits to the dollar."""


def priced(*turns: Any, usage: RequestUsage = USAGE, before: Callable[[int], Any] | None = None) -> FunctionModel:
    """As `scripted`, with usage; `before` is awaited before each answer, with the turn's number."""

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        number = sum(isinstance(message, ModelResponse) for message in messages)
        if before is not None:
            await before(number)
        turn = turns[number]
        if isinstance(turn, BaseException):
            raise turn
        parts = turn(messages) if callable(turn) else turn
        return ModelResponse(parts=[TextPart(parts)] if isinstance(parts, str) else list(parts), usage=copy(usage))

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> Any:
        yield turns[0]

    return FunctionModel(answer, stream_function=stream, model_name="priced")
