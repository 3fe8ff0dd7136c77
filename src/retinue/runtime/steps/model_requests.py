"""Model requests: asked once, recorded, and answered from the journal ever after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils import timezone
from pydantic_ai import ModelAPIError, RunContext, UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from retinue.conf import get_settings
from retinue.errors import MaxCostExceeded, ReplayDiverged
from retinue.executions.states import StepKind
from retinue.providers.attempts import Attempt, collecting, rejected
from retinue.providers.bounds import candidates
from retinue.providers.prices import Price, is_free, price, price_usage
from retinue.providers.retries import may_be_billed
from retinue.runtime.journal.payload import (
    dump_error,
    dump_failure,
    dump_interruption,
    dump_response,
    load_response,
    redact,
    request_digest,
)
from retinue.runtime.journal.statements.steps import StepRow
from retinue.runtime.journal.steps import WriteStep
from retinue.runtime.purse import Stake, Used
from retinue.runtime.run import Frame, Recorded, Spending, total
from retinue.runtime.steps.boundary import step_boundary
from retinue.runtime.steps.stakes import (
    allocated,
    kept,
    limited,
    portions_of,
    settle_late,
    settle_lost,
    settlement,
    take_stakes,
)
from retinue.storable import storable

PENDING_SECONDS = 0.05
"""How long an answer that nothing seems to follow may wait for the run's end."""
NOTHING = Price(cost=Decimal(0), charge=Decimal(0))
UNKNOWN = Price(cost=None)
BILLED = (ModelAPIError, UnexpectedModelBehavior, asyncio.CancelledError)
"""What a request that reached the provider may end with."""


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
            settings = self._prepare(model_settings)
            place.stakes = await take_stakes(self._frame, self.wrapped, messages, settings, model_request_parameters)
            with collecting() as place.attempts:
                try:
                    response = await self.wrapped.request(messages, settings, model_request_parameters)
                except BaseException as error:  # a request that is cut off is paid for, too
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
        recorder = self._frame.run.recorder if not self._frame.path else None
        if place.recorded is not None:
            response = replayed(place.recorded, place)
            if recorder is not None:
                recorder.replayed(place.number, response)
            yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters)
            return
        stream: StreamedResponse | None = None
        async with step_boundary(self._frame.run):
            if recorder is not None:
                recorder.asks(place.number)
            settings = self._prepare(model_settings)
            place.stakes = await take_stakes(self._frame, self.wrapped, messages, settings, model_request_parameters)
            with collecting() as place.attempts:
                try:
                    async with self.wrapped.request_stream(
                        messages, settings, model_request_parameters, run_context
                    ) as stream:
                        yield stream
                except BaseException as error:  # a request that is cut off is paid for, too
                    await self._record_error(place, error, stream)
                    raise
            await self._record(place, stream.get(), model_request_parameters)

    def _prepare(self, settings: ModelSettings | None) -> ModelSettings | None:
        """Check what the run may still spend; give the settings of the request."""
        frame = self._frame
        spendings = frame.run.spent_under(frame.path)
        for limit, amounts, unit in (
            (frame.max_cost, [s.cost for s in spendings], "USD"),
            (frame.max_credits, [s.charge for s in spendings], get_settings().credits_name),
        ):
            known = sum((amount for amount in amounts if amount is not None), Decimal(0))
            if limit is not None and known >= limit:
                raise MaxCostExceeded(f"The run has cost {known:f} {unit}; it was allowed {limit:f}.")
        if any(candidate.system == "prsm" for candidate in candidates(self.wrapped)):
            settings = allocated(frame, settings)
        return limited(frame, settings)

    async def _place(self, messages: list[ModelMessage]) -> _Place:
        """Where this request stands in the run, and what was recorded there."""
        frame = self._frame
        await settle_pending(frame)
        number = frame.seen["model"]
        key, digest = frame.place("model"), request_digest(messages)
        recorded = frame.run.steps.get((frame.execution_id, key))
        if recorded is not None and recorded.digest != digest:
            raise diverged(frame, key)
        return _Place(key, digest, recorded, number)

    async def _record(self, place: _Place, response: ModelResponse, parameters: ModelRequestParameters) -> None:
        frame, usage = self._frame, response.usage
        row = self._row(place, dump_response(response))
        served_by = response.provider_name or self.system
        row.name = f"{served_by}:{response.model_name or self.model_name}"[:200]
        place.attempts += rejected(response, self.wrapped)
        used = self._enter(row, place, usage, price(response, self.wrapped))
        quality = (response.provider_details or {}).get("quality_score")
        if quality is not None and not frame.path:
            frame.run.execution.quality_score = storable(float(quality))
        tools = {tool.name for tool in parameters.function_tools}
        goes_on = any(isinstance(part, ToolCallPart) and part.tool_name in tools for part in response.parts)
        accounting = settlement(frame, place.stakes, used, step=place.key, goes_on=goes_on)
        step = WriteStep(run=frame.run, row=row, accounting=accounting)
        frame.run.grants_fresh = False
        if goes_on:
            try:
                await self._post(step)
            except BaseException:  # that nobody waits for it any more, too
                # It may be written yet, and what it leaves held then is in nobody's purse.
                frame.run.purse.is_certain = False
                raise
            kept(frame.run, accounting)
        else:
            # Nothing follows, most likely, but the run's end: it takes the step along in its own transaction.
            frame.pending = self._post(step, within=PENDING_SECONDS)

    def _post(self, step: WriteStep, within: float = 0.0) -> asyncio.Future[Any]:
        """Have a step written; should its run have ended meanwhile, it is paid for nevertheless."""
        written = step.run.bridge.journal.post(step, within=within)
        written.add_done_callback(partial(settle_lost, step.run, step))
        return written

    def _enter(self, row: StepRow, place: _Place, usage: RequestUsage, found: Price) -> Used:
        """Write into the row what the request used, attempts that came to nothing included."""
        attempts = place.attempts
        row.input_tokens = usage.input_tokens + sum(a.usage.input_tokens for a in attempts)
        row.output_tokens = usage.output_tokens + sum(a.usage.output_tokens for a in attempts)
        row.cost = total([found.cost, *(a.price.cost for a in attempts)])
        row.charge = total([found.charge, *(a.price.charge for a in attempts)])
        row.provider_cost, row.provider_charge = found.provider_cost[:64], found.provider_charge[:64]
        tokens = row.input_tokens + row.output_tokens
        self._frame.run.spendings.append(Spending(self._frame.path, tokens, row.cost, row.charge))
        return Used(tokens, row.cost, row.charge)

    async def _record_error(self, place: _Place, error: BaseException, stream: StreamedResponse | None = None) -> None:
        """Record a request that failed, or was cut off, and settle what it used until then."""
        run = self._frame.run
        usage = RequestUsage() if stream is None else stream.usage
        known = bool(usage.input_tokens or usage.output_tokens)
        if isinstance(error, Exception):
            payload = dump_error(error)
        elif run.lost or run.cut or not isinstance(error, asyncio.CancelledError):
            if run.lost and place.stakes:
                settle_late(self._frame, place.stakes, self._used(usage) if known else Used(None, None, None))
            run.purse.put(portions_of(place.stakes))  # given back with the run
            return
        else:
            payload = dump_interruption(self.model_name)
        if payload is None and not (place.stakes or place.attempts):
            return  # not an answer of the provider's
        row = self._row(place, payload or dump_failure("The request failed."))
        if known:
            found = price_usage(usage, self.wrapped)
        elif isinstance(error, BILLED) and may_be_billed(error) and not is_free(self.wrapped):
            found = UNKNOWN
        else:
            found = NOTHING
        used = self._enter(row, place, usage, found)
        if found is UNKNOWN:
            used = Used(None, None, None)
        step = WriteStep(run=run, row=row, accounting=settlement(self._frame, place.stakes, used, step=place.key))
        written = self._post(step)
        if isinstance(error, Exception):
            await written

    def _used(self, usage: RequestUsage) -> Used:
        found = price_usage(usage, self.wrapped)
        return Used(usage.input_tokens + usage.output_tokens, found.cost, found.charge)

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

    __slots__ = ("attempts", "digest", "key", "number", "recorded", "stakes", "started", "started_at")

    def __init__(self, key: str, digest: bytes, recorded: Recorded | None, number: int) -> None:
        self.key = key
        self.number = number
        """How many requests of the execution came before."""
        self.digest = digest
        self.recorded = recorded
        self.started = time.monotonic()
        self.started_at: datetime = timezone.now()
        self.stakes: list[Stake] = []
        self.attempts: list[Attempt] = []


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


async def last_step(frame: Frame) -> WriteStep | None:
    """The step that is still to be written, for the run's end to take along."""
    pending, frame.pending = frame.pending, None
    if pending is None:
        return None
    operation: WriteStep | None = frame.run.bridge.journal.withdraw(pending)
    if operation is None:
        await pending
    return operation
