"""A model that says what the test's script says (see `script.py`), when it says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from tests.e2e.script import Call, Gate, Script
from tests.processes import witness


async def _answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    parts: list[Any] = []
    async for piece in _stream(messages, info):
        if isinstance(piece, str):
            parts.append(TextPart(piece))
        else:
            parts += [ToolCallPart(call.name, call.json_args, call.tool_call_id) for call in piece.values()]
    return ModelResponse(parts=parts)


async def _stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    prompt, number = _turn(messages)
    script = Script(witness.folder())
    pieces = script.answers(prompt)[number]
    for index, piece in enumerate(pieces):
        match piece:
            case str():
                yield piece
            case Gate():
                while not script.is_open(piece.name):
                    await asyncio.sleep(0.01)
            case Call():
                call_id = f"call-{len(messages)}-{index}"
                yield {index: DeltaToolCall(piece.tool, json.dumps(piece.arguments), tool_call_id=call_id)}


def _turn(messages: list[ModelMessage]) -> tuple[str, int]:
    """The last prompt, and how many answers followed it."""
    number = 0
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            number += 1
        elif prompt := _prompt(message):
            return prompt, number
    raise AssertionError("There is no prompt.")


def _prompt(message: ModelRequest) -> str:
    return "".join(part.content for part in message.parts if isinstance(part, UserPromptPart))  # type: ignore[misc]


model = FunctionModel(_answer, stream_function=_stream, model_name="priced")
