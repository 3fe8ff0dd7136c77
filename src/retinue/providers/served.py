"""Models of providers, asked with patience: with a time limit, and again where that can help."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic_ai.exceptions import FallbackExceptionGroup, ModelAPIError, ModelTimeoutError
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings, merge_model_settings
from pydantic_ai.usage import RequestUsage

from retinue.errors import ModelsFailed
from retinue.providers.attempts import Attempt, report
from retinue.providers.prices import Price, price
from retinue.providers.retries import may_be_billed, pause_before_retry, reason

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse

logger = logging.getLogger("retinue.providers")
T = TypeVar("T")
UNKNOWN = Price(cost=None)


class ServedModel(WrapperModel):
    """A model of a provider with the site's time limit, retries, settings and price.

    It makes all retries: the provider's client makes none of its own. A stream is not opened a second time once it
    is open.
    """

    def __init__(
        self,
        wrapped: Model,
        *,
        given_names: tuple[str, ...],
        timeout: float,
        retries: int,
        settings: Mapping[str, Any] | None = None,
        declared_price: Mapping[str, Any] | None = None,
        is_own_server: bool = False,
    ) -> None:
        super().__init__(wrapped)
        self.given_names = given_names
        """What the site calls it: its pydantic-ai string, and the aliases that lead to it."""
        self.timeout = timeout
        self.retries = retries
        self.declared_price = declared_price
        self.is_own_server = is_own_server
        """Whether the site named a server and no provider: what a provider publishes is not its price."""
        self.in_chain = False
        """Whether a chain asks it: then nobody else hears of a failure before the first word."""
        self._settings_given = cast(ModelSettings, dict(settings or {}))

    @property
    def settings(self) -> ModelSettings | None:
        return merge_model_settings(self.wrapped.settings, self._settings_given)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        settings, retries = self._prepared(model_settings)
        attempt = 0
        while True:
            try:
                answer = self.wrapped.request(messages, settings, model_request_parameters)
                return await self._in_time(answer, settings)
            except ModelAPIError as error:
                await self._wait(error, attempt, retries)
            attempt += 1

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        settings, retries = self._prepared(model_settings)
        async with AsyncExitStack() as stack:
            attempt = 0
            while True:
                try:
                    opening = self.wrapped.request_stream(messages, settings, model_request_parameters, run_context)
                    stream = await self._in_time(stack.enter_async_context(opening), settings)
                    break
                except ModelAPIError as error:
                    await self._wait(error, attempt, retries)
                attempt += 1
            try:
                yield stream
            except BaseException as error:  # a stream that is cut off has used tokens, too
                begun = stream.get()
                # This also notes the cost in the stream's usage: who asked a chain cannot know whose stream it was.
                paid = price(begun, self)
                if self.in_chain and not begun.parts:
                    self._report(error, begun.usage, paid)
                raise

    def _prepared(self, given: ModelSettings | None) -> tuple[ModelSettings, int]:
        """The settings of a request, and how often it may be made again."""
        settings = merge_model_settings(self.settings, given) or ModelSettings()
        retries = settings.get("max_retries", self.retries)
        own = ModelSettings(timeout=settings.get("timeout", self.timeout), max_retries=0)
        unsupported = self.wrapped.unsupported_settings
        return {**settings, **{k: v for k, v in own.items() if k not in unsupported}}, retries  # type: ignore[typeddict-item]

    async def _in_time(self, answer: Awaitable[T], settings: ModelSettings) -> T:
        """Wait for what a provider's client waits for itself, if it knows how to give up."""
        if "timeout" in settings:
            return await answer
        try:
            async with asyncio.timeout(self.timeout):
                return await answer
        except TimeoutError as error:
            message = f"No answer within {self.timeout:g} s."
            raise ModelTimeoutError(self.model_name, message, phase="read") from error

    async def _wait(self, error: ModelAPIError, attempt: int, retries: int) -> None:
        """Wait until the request may be made again. Raises the error where it may not."""
        pause = pause_before_retry(error, attempt) if attempt < retries else None
        if pause is None:
            if self.in_chain:
                self._report(error)
            raise error
        self._report(error)
        logger.warning("%s: %s; asked again in %.1f s.", self.model_id, reason(error), pause)
        await asyncio.sleep(pause)

    def _report(self, error: BaseException, usage: RequestUsage | None = None, paid: Price = UNKNOWN) -> None:
        """Have a failed request counted that used something, or may have."""
        if paid.cost is not None or may_be_billed(error):
            usage = usage or RequestUsage()
            report(Attempt(model=self.model_id, usage=usage, price=paid, error=reason(error)))


class ModelChain(FallbackModel):
    """Models that are asked one after the other until one answers."""

    def __init__(self, name: str, models: list[Model]) -> None:
        super().__init__(*models)
        self.name = name
        for model in self.models:
            if isinstance(model, ServedModel):
                model.in_chain = True

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        try:
            return await super().request(messages, model_settings, model_request_parameters)
        except FallbackExceptionGroup as group:
            raise self._failed(group) from group

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        try:
            async with super().request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream
        except FallbackExceptionGroup as group:
            raise self._failed(group) from group

    def _failed(self, group: FallbackExceptionGroup) -> ModelsFailed:
        tried = zip(self.models, group.exceptions, strict=False)
        reasons = ", ".join(f"{model.model_id} ({reason(error)})" for model, error in tried)
        return ModelsFailed(f"No model of {self.name!r} answered: {reasons}.")
