"""Steps as bytes: answers of models and tools, and digests of what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, get_args

from django.utils.module_loading import import_string
from pydantic import TypeAdapter
from pydantic_ai import ModelHTTPError, ModelRetry, ToolFailed
from pydantic_ai.exceptions import ModelAPIError, UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse, MultiModalContent, ToolReturn, ToolReturnContent
from pydantic_core import PydanticSerializationError, from_json, to_json

from retinue.conf import get_settings
from retinue.errors import InvalidInput
from retinue.storable import storable

RETURN, RETRY, FAILED, ERROR = "return", "retry", "failed", "error"

_response = TypeAdapter(ModelResponse)


def _classes(annotation: Any) -> tuple[type, ...]:
    """The classes in an annotation of unions and `Annotated`."""
    if isinstance(annotation, type):
        return (annotation,)
    return tuple(
        found
        for part in get_args(annotation)[: 1 if hasattr(annotation, "__metadata__") else None]
        for found in _classes(part)
    )


_FILES = _classes(MultiModalContent)


@cache
def _tool_return() -> TypeAdapter[Any]:
    return TypeAdapter(ToolReturn)


@cache
def _content() -> TypeAdapter[Any]:
    return TypeAdapter(ToolReturnContent)


@dataclass(frozen=True, slots=True)
class Failure:
    """A tool's answer that is not a result: what it said to the model."""

    kind: str
    message: str

    def raised(self) -> Exception:
        return ModelRetry(self.message) if self.kind == RETRY else ToolFailed(self.message)


def digest(*parts: Any) -> bytes:
    """What was asked, in 12 bytes."""
    return blake2b(to_json(parts, fallback=repr, inf_nan_mode="strings"), digest_size=12).digest()


def request_digest(messages: list[ModelMessage]) -> bytes:
    """Of what is new since the last response; what came before is covered by the digests of earlier steps."""
    news: list[Any] = []
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            break
        news.append([(p.part_kind, getattr(p, "tool_call_id", ""), _content_of(p)) for p in message.parts])
    return digest(len(messages), news)


def _content_of(part: Any) -> Any:
    """What a part says; nothing where a site redacts, as a replay would read something else."""
    return "" if get_settings().redact else getattr(part, "content", "")


def call_digest(tool_name: str, arguments: dict[str, Any]) -> bytes:
    """Of a tool call. Where a site redacts, a replay sees other values than the first run: names must do."""
    return digest(tool_name, sorted(arguments) if get_settings().redact else arguments)


def dump_response(response: ModelResponse) -> bytes:
    try:
        return _response.dump_json(response)
    except PydanticSerializationError:  # half a surrogate pair, say: some providers cut an emoji in two
        return to_json(storable(_response.dump_python(response, mode="json")))


def load_response(payload: bytes) -> ModelResponse:
    """The recorded response. Raises what was recorded where the request failed."""
    if payload.startswith(b'{"error":'):
        raise _load_error(from_json(payload)["error"])
    return _response.validate_json(payload)


def dump_error(error: Exception) -> bytes | None:
    """A model request's failure as data, or None for one that is not the provider's answer."""
    if isinstance(error, ModelHTTPError):
        kind, values = "http", {"status_code": error.status_code, "model_name": error.model_name, "body": error.body}
    elif isinstance(error, ModelAPIError):
        kind, values = "api", {"model_name": error.model_name, "message": error.message}
    elif isinstance(error, UnexpectedModelBehavior):
        kind, values = "behavior", {"message": error.message}
    else:
        return None
    return to_json({"error": {"kind": kind, **values}}, fallback=repr)


def dump_interruption(model_name: str) -> bytes:
    """A model request that was cut off while its answer was on the way."""
    return to_json({"error": {"kind": "api", "model_name": model_name, "message": "The request was interrupted."}})


def dump_failure(message: str) -> bytes:
    """A model request that gave nothing that can be used."""
    return to_json({"error": {"kind": "behavior", "message": message}})


def _load_error(stored: dict[str, Any]) -> Exception:
    match stored.pop("kind"):
        case "http":
            return ModelHTTPError(**stored)
        case "api":
            return ModelAPIError(**stored)
        case _:
            return UnexpectedModelBehavior(**stored)


def dump_result(value: Any, tool_name: str) -> bytes:
    """A tool's result. Raises InvalidInput where it cannot be stored."""
    try:
        if isinstance(value, Failure):
            return to_json({value.kind: value.message})
        if isinstance(value, ToolReturn):
            return b'{"full":' + _tool_return().dump_json(value) + b"}"
        if _has_files(value):
            return b'{"files":' + _content().dump_json(value) + b"}"
        return b'{"return":' + to_json(value) + b"}"
    except PydanticSerializationError as error:
        raise InvalidInput(
            f"The tool {tool_name!r} returned a {type(value).__name__}, which cannot be stored as JSON: {error}"
        ) from error


def load_result(payload: bytes) -> Any:
    """The recorded result, or a `Failure`."""
    ((kind, value),) = from_json(payload).items()
    match kind:
        case "return":
            return value
        case "full":
            return _tool_return().validate_python(value)
        case "files":
            return _content().validate_python(value)
        case _:
            return Failure(kind, value)


def _has_files(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_files, value))
    if isinstance(value, dict):
        return any(map(_has_files, value.values()))
    return isinstance(value, _FILES)


def redact(kind: str, payload: bytes) -> bytes:
    """The payload as the site wants it stored."""
    path = get_settings().redact
    return payload if path is None else import_string(path)(kind, payload)
