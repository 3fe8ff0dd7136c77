"""Models that answer after a while, without a provider: a tool call and a sentence, or a sentence twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

CALL = ToolCallPart("add_note", {"label": "a note"}, "call-1")
DRAFT, ANSWER = TextPart("A draft."), TextPart("It is done.")

Turns = Sequence[ModelResponsePart]
NOTE_AND_ANSWER: Turns = (CALL, ANSWER)
DRAFT_AND_ANSWER: Turns = (DRAFT, ANSWER)


def model_of(turns: Turns, latency: Callable[[], float] | None = None, name: str | None = None) -> FunctionModel:
    """A model that gives these parts, one a turn, each after so many seconds."""

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if latency is not None:
            await asyncio.sleep(latency())
        return ModelResponse(parts=[turns[turn_of(messages)]])

    return FunctionModel(answer, model_name=name)


def turn_of(messages: list[ModelMessage]) -> int:
    """How many times the model answered before."""
    return sum(isinstance(message, ModelResponse) for message in messages)


def prompt_of(messages: list[ModelMessage]) -> str:
    (prompt,) = (part.content for part in messages[0].parts if isinstance(part, UserPromptPart))
    return str(prompt)
