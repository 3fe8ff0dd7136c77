"""How many tokens a request and its response would be: about four bytes each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.usage import RequestUsage
from pydantic_core import to_json

_BYTES = 4
_PER_MESSAGE = 4
"""Tokens that every message costs beside its content."""


def usage(
    messages: Sequence[ModelMessage], parameters: ModelRequestParameters, response: ModelResponse
) -> RequestUsage:
    """The tokens of a request with its tools, and those of the response."""
    size = sum(_size(message) for message in messages) + _tools(parameters)
    size += sum(len(part.content.encode()) for part in parameters.instruction_parts or ())
    return RequestUsage(
        input_tokens=_tokens(size) + _PER_MESSAGE * len(messages),
        output_tokens=_tokens(_size(response)),
    )


def _tokens(size: int) -> int:
    return -(-size // _BYTES)


def _size(message: ModelMessage) -> int:
    parts: Iterable[Any] = message.parts
    size = sum(_part(part) for part in parts)
    return size + (len((message.instructions or "").encode()) if isinstance(message, ModelRequest) else 0)


def _part(part: Any) -> int:
    content = part.args if hasattr(part, "args") else getattr(part, "content", "")
    name = len(getattr(part, "tool_name", ""))
    return name + len(content.encode() if isinstance(content, str) else to_json(content, fallback=str))


def _tools(parameters: ModelRequestParameters) -> int:
    return sum(
        len(tool.name) + len((tool.description or "").encode()) + len(to_json(tool.parameters_json_schema))
        for tool in (*parameters.function_tools, *parameters.output_tools)
    )
