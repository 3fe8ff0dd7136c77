"""A streamed answer, as pydantic-ai reads it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic_ai.messages import ModelResponseStreamEvent
from pydantic_ai.models import StreamedResponse

from retinue.providers.prsm.answers import PRSMAnswer
from retinue.providers.prsm.errors import OutcomeUnknownError
from retinue.providers.prsm.model_errors import as_model_errors
from retinue.providers.prsm.response import NAME, details, usage


@dataclass
class PRSMStreamedResponse(StreamedResponse):
    """Streams an answer whose first piece has come. What it took is known at its end."""

    name: str
    first: str | PRSMAnswer
    pieces: AsyncGenerator[str | PRSMAnswer]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        with as_model_errors(f"{NAME}:{self.name}", in_stream=True):
            piece: str | PRSMAnswer | None = self.first
            while piece is not None and not self.cancelled:
                if isinstance(piece, PRSMAnswer):
                    self._finish(piece)
                else:
                    for event in self._parts_manager.handle_text_delta(vendor_part_id=0, content=piece):
                        yield event
                piece = await anext(self.pieces, None)

    def _finish(self, answer: PRSMAnswer) -> None:
        self._usage = usage(answer)
        self.finish_reason = "stop"
        self.provider_response_id = answer.query_id or None
        self.provider_details = details(answer)

    async def close_stream(self) -> None:
        """Let go of the connection."""
        with suppress(RuntimeError):  # a piece is awaited just now: whoever does stops there
            await self.pieces.aclose()

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        return (*super().get_stream_cancel_errors(), OutcomeUnknownError)

    @property
    def model_name(self) -> str:
        return self.name

    @property
    def provider_name(self) -> str | None:
        return NAME

    @property
    def provider_url(self) -> str | None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self.began
