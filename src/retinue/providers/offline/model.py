"""The offline model itself: a conversation in, the next calls or the answer out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from retinue.providers.offline.reply import Reply
from retinue.providers.offline.stream import OfflineStreamedResponse
from retinue.providers.offline.usage import usage

_PROFILE = ModelProfile(
    supports_json_schema_output=True,
    supports_json_object_output=True,
    supports_inline_system_prompts=True,
    context_window=None,
)


class OfflineModel(Model[None]):
    """Answers by rules: no network, no weights, the same answer for the same conversation.

    It chooses tools by the words they share with the prompt, fills their arguments from the prompt and
    from what other tools returned, and answers with their results; it fills any output schema validly.
    `latency` is how many seconds a request takes; a streamed one spreads half of them over its pieces.
    """

    def __init__(self, model_name: str = "default", *, latency: float = 0.0) -> None:
        super().__init__(profile=_PROFILE)
        self._model_name = model_name
        self.latency = latency

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return "offline"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The next calls, or the answer."""
        if self.latency > 0:
            await asyncio.sleep(self.latency)
        return self._respond(messages, *self.prepare_request(model_settings, model_request_parameters))

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """See request()."""
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        response = self._respond(messages, settings, parameters)
        # Who leaves before the first word is told what that cost, too.
        yield OfflineStreamedResponse(parameters, response, self.latency)

    def _respond(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> ModelResponse:
        reply = Reply.to(messages, parameters, (settings or {}).get("tool_choice"))
        calls = reply.calls()
        conversation = reply.conversation
        parts: list[ModelResponsePart] = [
            ToolCallPart(name, _json(arguments), call_id)
            for (name, arguments), call_id in zip(
                calls, _call_ids(calls, conversation.answers, conversation.call_ids), strict=True
            )
        ]
        response = ModelResponse(
            parts=parts or [TextPart(reply.text())],
            model_name=self._model_name,
            provider_name=self.system,
            finish_reason="tool_call" if parts else "stop",
        )
        response.usage = usage(messages, parameters, response)
        return response


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _call_ids(calls: Sequence[tuple[str, Any]], position: int, taken: set[str]) -> list[str]:
    """An id for each call, made from its place in the conversation and from what it calls."""
    found: list[str] = []
    for place, (name, arguments) in enumerate(calls):
        for salt in range(len(taken) + 1):
            seed = f"{position} {place} {name} {_json(arguments)} {salt}".encode()
            call_id = f"call_{blake2b(seed, digest_size=9).hexdigest()}"
            if call_id not in taken:
                break
        found.append(call_id)
    return found
