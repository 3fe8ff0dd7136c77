"""Models that follow a script: the only fake in these tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

Turn = Sequence[Any] | str | Callable[[list[ModelMessage]], Any]


def call(tool: str, call_id: str = "c1", **arguments: Any) -> ToolCallPart:
    return ToolCallPart(tool, arguments, call_id)


def scripted(*turns: Turn, asked: list[int] | None = None) -> FunctionModel:
    """A model that gives these parts (or this text), one turn after another; `asked` collects the turns' numbers."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        number = sum(isinstance(message, ModelResponse) for message in messages)
        if asked is not None:
            asked.append(number)
        turn = turns[number]
        parts = turn(messages) if callable(turn) else turn
        return ModelResponse(parts=[TextPart(parts)] if isinstance(parts, str) else list(parts))

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> Any:
        for index, part in enumerate(answer(messages, info).parts):
            if isinstance(part, TextPart):
                for word in part.content.split(" "):
                    yield f"{word} "
            else:
                yield {index: DeltaToolCall(part.tool_name, part.args_as_json_str(), tool_call_id=part.tool_call_id)}

    return FunctionModel(answer, stream_function=stream)


def returned(messages: list[ModelMessage]) -> list[Any]:
    """What the tools of the last turn gave."""
    return [part.content for part in messages[-1].parts if isinstance(part, ToolReturnPart)]


def prompt_of(messages: list[ModelMessage]) -> str:
    return next(p.content for p in messages[0].parts if isinstance(p, UserPromptPart))  # type: ignore[return-value]
