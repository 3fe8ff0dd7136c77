"""A response in pieces: texts by the word, arguments by the letter."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic_ai.messages import ModelResponse, ModelResponseStreamEvent, TextPart, ToolCallPart
from pydantic_ai.models import StreamedResponse

_MOST_PIECES = 120
_ARGUMENT_PIECE = 24
_MOST_PAUSES = 40


@dataclass
class OfflineStreamedResponse(StreamedResponse):
    """Streams a response that is complete already, within `seconds`; the first word comes after half of them."""

    response: ModelResponse
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._usage = self.response.usage
        self.finish_reason = self.response.finish_reason

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        pieces = [(place, piece) for place, part in enumerate(self.response.parts) for piece in _pieces(part)]
        every = max(1, len(pieces) // _MOST_PAUSES)
        pause = self.seconds / 2 * every / max(len(pieces), 1)
        if pause:
            await asyncio.sleep(self.seconds / 2)
        begun: set[int] = set()
        for number, (place, piece) in enumerate(pieces):
            if self.cancelled:
                raise _Cancelled
            if pause and number % every == 0:
                await asyncio.sleep(pause)
            for event in self._events(place, piece, is_first=place not in begun):
                yield event
            begun.add(place)

    def _events(self, place: int, piece: str, *, is_first: bool) -> Iterator[ModelResponseStreamEvent]:
        part = self.response.parts[place]
        if isinstance(part, ToolCallPart):
            # A name is a delta, too: given again, it would be appended.
            yield from self._parts_manager.handle_tool_call_delta_events(
                vendor_part_id=place,
                tool_name=part.tool_name if is_first else None,
                args=piece,
                tool_call_id=part.tool_call_id,
            )
        else:
            yield from self._parts_manager.handle_text_delta(vendor_part_id=place, content=piece)

    async def close_stream(self) -> None:
        """There is no connection to close."""

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        return (_Cancelled,)

    @property
    def model_name(self) -> str:
        return self.response.model_name or ""

    @property
    def provider_name(self) -> str | None:
        return self.response.provider_name

    @property
    def provider_url(self) -> str | None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self.response.timestamp


class _Cancelled(Exception):
    """The reader went away."""


def _pieces(part: object) -> list[str]:
    if isinstance(part, ToolCallPart):
        text = part.args if isinstance(part.args, str) else part.args_as_json_str()
        return [text[i : i + _ARGUMENT_PIECE] for i in range(0, len(text), _ARGUMENT_PIECE)]
    words = re.findall(r"\s*\S+\s*?(?=\s|$)|\s+", part.content if isinstance(part, TextPart) else "")
    size = max(1, -(-len(words) // _MOST_PIECES))
    return ["".join(words[i : i + size]) for i in range(0, len(words), size)] or [""]
