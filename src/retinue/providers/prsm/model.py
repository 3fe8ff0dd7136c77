"""PRSM as a model of pydantic-ai: text in, text out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from decimal import ROUND_FLOOR, Decimal
from typing import Any, cast
from weakref import WeakKeyDictionary

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, check_allow_model_requests
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from retinue.errors import ConfigurationError, InvalidInput
from retinue.providers.prsm.client import DEFAULT_ALLOCATION, PRSMClient
from retinue.providers.prsm.model_errors import as_model_errors
from retinue.providers.prsm.prompt import prompt_text
from retinue.providers.prsm.response import NAME, response
from retinue.providers.prsm.settings import PRSMSettings, get_prsm_settings
from retinue.providers.prsm.stream import PRSMStreamedResponse

DEFAULT = "default"
"""The name that leaves the choice of a model to the service."""
NOBODY = "system"
"""The user whom PRSM is told of where a run has none."""
_PROFILE = ModelProfile(supports_tools=False, supports_json_schema_output=False, context_window=None)


class PRSMModel(Model[None]):
    """Answers through a PRSM service, for agents without tools and with a text as their output.

    Of the model settings it reads `context_allocation` (whole FTNS that a request may cost, 50 unless given),
    `prsm_user_id`, `timeout` (seconds) and, for a node's named models, `max_tokens` and `temperature`. The
    response's `provider_details` say `charge` (FTNS as sent; absent where unknown), `quality_score`,
    `processing_time`, `query_id` and `model_used`. The client repeats what may be repeated: nobody else should.
    """

    unsupported_settings = frozenset({"max_retries", "stop_sequences", "extra_headers", "extra_body"})

    def __init__(self, model_name: str = DEFAULT, *, service: PRSMSettings | None = None) -> None:
        """`service`: the site's, unless given. Raises ConfigurationError where it lacks something."""
        super().__init__(profile=_PROFILE)
        self._model_name = model_name or DEFAULT
        self._service = (service or get_prsm_settings()).completed()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, PRSMClient] = WeakKeyDictionary()

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return NAME

    def bound_charge(self, model_settings: ModelSettings | None) -> Decimal:
        """The most FTNS that a request with these settings may cost: the allocation that goes with it."""
        return Decimal(_allocation(cast(dict[str, Any], model_settings or {})))

    def prepare_request(
        self, model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        asked = model_request_parameters
        if asked.function_tools or asked.native_tools or asked.output_tools or asked.output_object:
            raise ConfigurationError(
                f"The model {self.model_id!r} answers in text only: an agent with tools or with an output type "
                "needs another model."
            )
        return super().prepare_request(model_settings, asked)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer in one piece."""
        check_allow_model_requests()
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        query = self._query(messages, settings, parameters)
        with as_model_errors(self.model_id):
            return response(await self._client().query(**query), self.model_name)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """See request()."""
        check_allow_model_requests()
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        query = self._query(messages, settings, parameters)
        async with aclosing(self._client().stream(**query)) as pieces:
            with as_model_errors(self.model_id):
                first = await anext(pieces)  # a refusal is raised here, where a fallback can still follow
            yield PRSMStreamedResponse(parameters, self.model_name, first, pieces)

    def _query(
        self, messages: list[ModelMessage], model_settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> dict[str, Any]:
        settings = cast(dict[str, Any], model_settings or {})
        return {
            "prompt": prompt_text(messages, parameters.instruction_parts),
            "user_id": str(settings.get("prsm_user_id") or NOBODY),
            "context_allocation": _allocation(settings),
            "model": None if self.model_name == DEFAULT else self.model_name,
            "timeout": _seconds(settings.get("timeout")),
            "max_tokens": settings.get("max_tokens"),
            "temperature": settings.get("temperature"),
        }

    def _client(self) -> PRSMClient:
        """The client of the running event loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            service = self._service
            client = self._clients[loop] = PRSMClient(
                service.base_url,
                service.api_key,
                timeout=service.default_timeout,
                max_retries=service.max_retries,
                dialect=service.dialect,
            )
        return client


def _allocation(settings: dict[str, Any]) -> int:
    """Whole FTNS, rounded down: a request must not cost more than it may."""
    given = settings.get("context_allocation")
    try:
        amount = Decimal(str(DEFAULT_ALLOCATION if given is None else given))
    except ArithmeticError:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 1:
        raise InvalidInput("PRSM's context_allocation is a whole number of FTNS, at least 1.")
    return int(amount.to_integral_value(rounding=ROUND_FLOOR))


def _seconds(timeout: Any) -> float | None:
    """Of the setting `timeout`, which may be an HTTP client's own."""
    return timeout if timeout is None or isinstance(timeout, int | float) else timeout.read
