"""The worst case of a model request, before it is made: what a budget must hold for it.

Not counted, since nobody can know it: what a provider's own tools (web search, code execution) fetch and cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import (
    BaseToolCallPart,
    BaseToolReturnPart,
    BinaryContent,
    CachePoint,
    CompactionPart,
    FilePart,
    FileUrl,
    ImageUrl,
    ModelRequest,
    SpeechPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    UploadedFile,
    UserPromptPart,
)
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_core import to_json

from retinue.conf import get_settings
from retinue.fields import UNIT, to_units
from retinue.providers.rates import FREE, worst_rates
from retinue.providers.tokens import most_tokens

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.tools import ToolDefinition

REQUEST_TOKENS = 400
"""What pydantic-ai and the provider may put around any request: markers, and a note on the site's own markers."""
PART_TOKENS = 12
"""The markers around a part: its role, its name, its id."""
TOOLS_TOKENS = 600
"""What a provider may tell its model of tools in general."""
IMAGE_TOKENS = 5_000
"""A picture, at most, for all models but the following."""
DEAR_IMAGES = {"gpt-4o-mini": 50_000}
"""Models that count pictures in another way, by the beginning of their names."""
FILE_TOKENS = 250_000
"""Any other file: a token for each of its bytes, but at most this; and this where its size is not known."""
SERVICE_TIERS = ("service_tier", "speed")
LONG_CACHES = ("1h", "12h", "24h")
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The worst case of a request, before it is made."""

    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    """US dollars, rounded up to 10⁻⁹; `None`: no price is known."""
    charge: Decimal | None
    """Credits, rounded up to 10⁻⁹; `None`: unknown."""


def bound(
    model: Model,
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> Bound:
    """The most that this request can use and cost, with all that a fallback may ask before one answers."""
    asked = _Asked(settings)
    asked.add(messages, parameters)
    bounds = [_bound(candidate, asked, settings, parameters) for candidate in candidates(model)]
    if len(bounds) == 1:
        return bounds[0]
    costs, charges = [each.cost for each in bounds], [each.charge for each in bounds]
    return Bound(
        input_tokens=sum(each.input_tokens for each in bounds),
        output_tokens=sum(each.output_tokens for each in bounds),
        cost=None if None in costs else sum(filter(None, costs), Decimal(0)),
        charge=None if None in charges else sum(filter(None, charges), Decimal(0)),
    )


def candidates(model: Model) -> list[Model]:
    """The models that may answer for this one, in their order."""
    if isinstance(model, FallbackModel):
        return [found for each in model.models for found in candidates(each)]
    if isinstance(model, WrapperModel) and len(found := candidates(model.wrapped)) > 1:
        return found
    return [model]


def message_tokens(messages: Iterable[ModelMessage]) -> int:
    """The most tokens that these messages can be; a picture counts as for most models."""
    asked = _Asked(None)
    for message in messages:
        asked.add_parts(message)
    return asked.tokens - REQUEST_TOKENS + asked.images * IMAGE_TOKENS


def _bound(model: Model, asked: _Asked, settings: ModelSettings | None, parameters: ModelRequestParameters) -> Bound:
    tokens = asked.tokens + asked.images * _image_tokens(model.model_name)
    longest = (settings or {}).get("max_tokens") or (model.settings or {}).get("max_tokens")
    output = longest or get_settings().max_output_tokens
    if (bound_charge := getattr(model, "bound_charge", None)) is not None:
        charge: Decimal = bound_charge(settings)
        return Bound(input_tokens=tokens, output_tokens=output, cost=None, charge=charge)
    rates = worst_rates(model, any_tier=asked.any_tier)
    if rates is FREE:
        return Bound(input_tokens=tokens, output_tokens=output, cost=NOTHING, charge=NOTHING)
    if rates is None:
        return Bound(input_tokens=tokens, output_tokens=output, cost=None, charge=None)
    cost = rates.cost(
        tokens,
        output,
        long_cache=asked.long_cache,
        media=asked.media,
        output_media=parameters.allow_image_output,
    )
    return Bound(input_tokens=tokens, output_tokens=output, cost=rounded(cost), charge=credits_for(cost))


def rounded(amount: Decimal) -> Decimal:
    """Up to 10⁻⁹."""
    return to_units(amount) * UNIT


def credits_for(cost: Decimal) -> Decimal | None:
    """What an answer costs in credits that costs this many dollars."""
    rate = get_settings().credits_per_usd
    return None if rate is None else rounded(cost * rate)


class _Asked:
    """What a request asks: how much it is, and what makes it dearer."""

    __slots__ = ("any_tier", "images", "long_cache", "media", "tokens")

    def __init__(self, settings: ModelSettings | None) -> None:
        self.tokens = REQUEST_TOKENS
        self.images = 0
        self.media = False
        given = settings or {}
        self.any_tier = any(name.endswith(SERVICE_TIERS) for name in given)
        self.long_cache = any("cache" in name and _is_long(value) for name, value in given.items())

    def add(self, messages: Iterable[ModelMessage], parameters: ModelRequestParameters) -> None:
        instructions: str | None = None
        for message in messages:
            if isinstance(message, ModelRequest):
                instructions = message.instructions
            self.add_parts(message)
        if parameters.instruction_parts is not None:
            for instruction in parameters.instruction_parts:
                self.tokens += PART_TOKENS + most_tokens(instruction.content)
        elif instructions is not None:
            self.tokens += PART_TOKENS + most_tokens(instructions)
        tools = [*parameters.function_tools, *parameters.output_tools]
        if tools or parameters.native_tools:
            self.tokens += TOOLS_TOKENS
        for tool in tools:
            self.tokens += _tool_tokens(tool)
        for native in parameters.native_tools:
            self._add_value(native)
        if (output := parameters.output_object) is not None:
            # Sent as a schema, or written into the instructions with a few words around it.
            self.tokens += 2 * PART_TOKENS + _schema_tokens(output.json_schema)
            self._add_value([output.name, output.description, parameters.prompted_output_instructions])

    def add_parts(self, message: ModelMessage) -> None:
        for part in message.parts:
            self.tokens += PART_TOKENS
            self._add_part(part)

    def _add_part(self, part: Any) -> None:
        match part:
            case UserPromptPart(content=content) if not isinstance(content, str):
                for item in content:
                    self._add_value(item)
            case UserPromptPart(content=str(text)) | SystemPromptPart(content=text) | TextPart(content=text):
                self.tokens += most_tokens(text)
            case BaseToolCallPart():
                self.tokens += most_tokens(part.tool_name) + most_tokens(part.args_as_json_str())
            case BaseToolReturnPart():
                text, files = part.model_response_str_and_user_content()
                self.tokens += most_tokens(part.tool_name) + most_tokens(text)
                for file in files:
                    self._add_value(file)
            case ThinkingPart():
                # What is signed or encrypted is longer than what it stands for.
                self.tokens += most_tokens(part.content) + len(part.signature or "")
            case FilePart(content=content):
                self._add_value(content)
            case SpeechPart():
                self._add_value([part.transcript or ""])
                if part.audio is not None:
                    self._add_value(part.audio)
            case CompactionPart():
                self._add_value([part.content, part.provider_details])
            case _:
                self._add_value(part)

    def _add_value(self, value: Any) -> None:
        match value:
            case str():
                self.tokens += most_tokens(value)
            case TextContent():
                self.tokens += most_tokens(value.content)
            case BinaryContent(is_image=True) | ImageUrl():
                self.images += 1
                self.media = True
            case BinaryContent(media_type=kind, data=data) if kind.startswith("text/") or kind.endswith("json"):
                self.tokens += most_tokens(data.decode(errors="replace"))
            case BinaryContent(data=data):
                self.tokens += min(len(data), FILE_TOKENS)
                self.media = True
            case FileUrl() | UploadedFile():
                self.tokens += FILE_TOKENS
                self.media = True
            case CachePoint(ttl=ttl):
                self.long_cache = self.long_cache or _is_long(ttl)
            case _:
                self.tokens += most_tokens(to_json(value, fallback=repr).decode())


def _is_long(cache: Any) -> bool:
    """Whether what is written to a cache with this setting may stay for an hour or longer."""
    return any(retention in str(cache) for retention in LONG_CACHES)


def _image_tokens(model_name: str) -> int:
    return next((tokens for begin, tokens in DEAR_IMAGES.items() if model_name.startswith(begin)), IMAGE_TOKENS)


# A schema is the same object in every request of its agent, mostly.
_schemas: dict[int, tuple[dict[str, Any], int]] = {}
MOST_SCHEMAS = 1_000


def _schema_tokens(schema: dict[str, Any]) -> int:
    known = _schemas.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    tokens = most_tokens(json.dumps(schema, ensure_ascii=False, default=repr))
    if len(_schemas) >= MOST_SCHEMAS:
        _schemas.clear()
    _schemas[id(schema)] = schema, tokens
    return tokens


def _tool_tokens(tool: ToolDefinition) -> int:
    texts = most_tokens(tool.name) + most_tokens(tool.description or "")
    return PART_TOKENS + texts + _schema_tokens(tool.parameters_json_schema)
