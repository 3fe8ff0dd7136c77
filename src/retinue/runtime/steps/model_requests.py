"""Model requests: asked once, recorded, and answered from the journal ever after."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from retinue.errors import MaxCostExceeded, ReplayDiverged
from retinue.executions.states import StepKind
from retinue.providers.prices import price
from retinue.runtime.journal.payload import dump_error, dump_response, load_response, redact, request_digest
from retinue.runtime.journal.statements import StepRow
from retinue.runtime.journal.steps import WriteStep
from retinue.runtime.run import Frame, Recorded, Spending
from retinue.runtime.steps.boundary import step_boundary

PENDING_SECONDS = 0.05
"""How long an answer that nothing seems to follow may wait for the run's end."""


class JournaledModel(WrapperModel):
    """A model whose answers are recorded. A recorded one is not asked for again."""

    def __init__(self, wrapped: Model, frame: Frame) -> None:
        super().__init__(wrapped)
        self._frame = frame

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        place = await self._place(messages)
        if place.recorded is not None:
            return replayed(place.recorded, place)
        async with step_boundary(self._frame.run):
            self._check_cost()
            try:
                response = await self.wrapped.request(messages, model_settings, model_request_parameters)
            except Exception as error:
                await self._record_error(place, error)
                raise
            await self._record(place, response, model_request_parameters)
            return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        place = await self._place(messages)
        if place.recorded is not None:
            response = replayed(place.recorded, place)
            yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters)
            return
        async with step_boundary(self._frame.run):
            self._check_cost()
            try:
                async with self.wrapped.request_stream(
                    messages, model_settings, model_request_parameters, run_context
                ) as stream:
                    yield stream
            except Exception as error:
                await self._record_error(place, error)
                raise
            await self._record(place, stream.get(), model_request_parameters)

    async def _place(self, messages: list[ModelMessage]) -> _Place:
        """Where this request stands in the run, and what was recorded there."""
        frame = self._frame
        await settle_pending(frame)
        key, digest = frame.place("model"), request_digest(messages)
        recorded = frame.run.steps.get((frame.execution_id, key))
        if recorded is not None and recorded.digest != digest:
            raise diverged(frame, key)
        return _Place(key, digest, recorded)

    def _check_cost(self) -> None:
        frame = self._frame
        if frame.max_cost is None:
            return
        known = sum((s.cost for s in frame.run.spendings if s.cost and s.path.startswith(frame.path)), Decimal(0))
        if known >= frame.max_cost:
            raise MaxCostExceeded(f"The run has cost {known:f} USD; it was allowed {frame.max_cost:f}.")

    async def _record(self, place: _Place, response: ModelResponse, parameters: ModelRequestParameters) -> None:
        frame, usage = self._frame, response.usage
        cost, provider_cost = price(response, self.wrapped)
        row = self._row(place, dump_response(response))
        served_by = response.provider_name or self.system
        row.name = f"{served_by}:{response.model_name or self.model_name}"[:200]
        row.input_tokens, row.output_tokens = usage.input_tokens, usage.output_tokens
        row.cost, row.provider_cost = cost, provider_cost
        frame.run.spendings.append(Spending(frame.path, usage.input_tokens + usage.output_tokens, cost))
        journal, step = frame.run.bridge.journal, WriteStep(run=frame.run, row=row)
        frame.run.grants_fresh = False
        tools = parameters.function_tools
        if any(isinstance(part, ToolCallPart) for part in response.parts) and tools:
            await journal.write(step)
        else:
            # Nothing follows, most likely, but the run's end: it takes the step along in its own transaction.
            frame.pending = journal.post(step, within=PENDING_SECONDS)

    async def _record_error(self, place: _Place, error: Exception) -> None:
        if (payload := dump_error(error)) is not None:
            run = self._frame.run
            await run.bridge.journal.write(WriteStep(run=run, row=self._row(place, payload)))

    def _row(self, place: _Place, payload: bytes) -> StepRow:
        return StepRow(
            execution_id=self._frame.execution_id,
            key=place.key,
            kind=StepKind.MODEL,
            name=self.model_id[:200],
            digest=place.digest,
            payload=redact(StepKind.MODEL, payload),
            started_at=place.started_at,
            duration=time.monotonic() - place.started,
        )


class _Place:
    """One request's place in the run."""

    __slots__ = ("digest", "key", "recorded", "started", "started_at")

    def __init__(self, key: str, digest: bytes, recorded: Recorded | None) -> None:
        self.key = key
        self.digest = digest
        self.recorded = recorded
        self.started = time.monotonic()
        self.started_at: datetime = timezone.now()


def replayed(recorded: Recorded, place: _Place) -> ModelResponse:
    assert recorded.payload is not None
    return load_response(recorded.payload)


def diverged(frame: Frame, key: str) -> ReplayDiverged:
    where = f"{frame.path}/{key}" if frame.path else key
    return ReplayDiverged(
        f"The step {where} of {frame.agent.name!r} was recorded for another question than the one asked now. "
        "The code or what it reads has changed since; retry the execution to run it anew."
    )


async def settle_pending(frame: Frame) -> None:
    """Wait for a step that was posted but not waited for."""
    pending, frame.pending = frame.pending, None
    if pending is not None:
        frame.run.bridge.journal.hurry()
        await pending


async def last_step(frame: Frame) -> StepRow | None:
    """The step that is still to be written, for the run's end to take along."""
    pending, frame.pending = frame.pending, None
    if pending is None:
        return None
    operation: WriteStep | None = frame.run.bridge.journal.withdraw(pending)
    if operation is None:
        await pending
        return None
    return operation.row
