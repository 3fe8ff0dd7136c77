"""What a run of a session is told of it, and what it adds: both are in its journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_core import PydanticSerializationError, from_json, to_json

from retinue.conf import get_settings
from retinue.errors import ExecutionFailed
from retinue.executions.models import AgentExecution
from retinue.executions.states import StepKind
from retinue.providers.bounds import message_tokens
from retinue.runtime.journal.payload import redact
from retinue.runtime.journal.statements.steps import StepRow
from retinue.runtime.journal.steps import WriteStep
from retinue.sessions.history import (
    HISTORY_KEY,
    MESSAGES_KEY,
    Turn,
    dump,
    fitting,
    in_order,
    turns_before,
)
from retinue.sessions.summaries import Summary, latest_summary

if TYPE_CHECKING:
    from retinue.runtime.run import Frame, Run
    from retinue.runtime.runner import Live

logger = logging.getLogger("retinue.runs")


@dataclass(kw_only=True)
class Told:
    """What of a session there is room for."""

    summary: Summary | None = None
    turns: list[list[ModelMessage]] = field(default_factory=list)
    """The latest first."""
    left_out: Sequence[Turn] = ()
    """To be summarised; the latest first."""

    @property
    def messages(self) -> list[ModelMessage]:
        return [*(self.summary.messages if self.summary else ()), *in_order(self.turns)]


async def history_of(frame: Frame, options: dict[str, Any], live: Live) -> list[Any]:
    """The history for the model, as JSON values: worked out at the first start, read from the journal ever after."""
    run = frame.run
    recorded = run.steps.get((run.id, HISTORY_KEY))
    if recorded is not None and (known := _read(recorded.payload or b"")) is not None:
        return known
    told = await run.bridge.call(gather, run.bridge.alias, run.execution)
    if told.left_out:
        told.summary = await _summarised(frame, told, options, live)
    messages: list[Any] = dump(told.messages)
    if messages and recorded is None:
        summary = None if told.summary is None else asdict(told.summary)
        # Before the model is asked: whoever takes this run up after a kill is to ask it with the same words.
        await _post(run, HISTORY_KEY, to_json({"messages": messages, "summary": summary}))
    return messages


def _read(payload: bytes) -> list[Any] | None:
    try:
        stored = from_json(payload)["messages"]
        ModelMessagesTypeAdapter.validate_python(stored)
    except (ValueError, KeyError, TypeError):  # what a site's redaction left
        return None
    return stored  # type: ignore[no-any-return]


def gather(alias: str, execution: AgentExecution) -> Told:
    """The history of an execution's session before it, within `SESSION_HISTORY_TOKENS`."""
    settings = get_settings()
    limit = settings.session_history_tokens
    if settings.session_history == "drop":
        return Told(turns=[told for _, told in fitting(turns_before(alias, execution), limit)])
    summary = latest_summary(alias, execution)
    turns = list(turns_before(alias, execution, after=summary.until if summary else None))
    kept = fitting(turns, limit - message_tokens(summary.messages if summary else ()))
    if len(kept) < len(turns):
        # Room for the summary, and for some turns to come: the next ones need no new summary.
        kept = fitting(turns, limit // 2)
    return Told(summary=summary, turns=[told for _, told in kept], left_out=turns[len(kept) :])


async def _summarised(frame: Frame, told: Told, options: dict[str, Any], live: Live) -> Summary | None:
    """The earlier summary and what is left out now, in one. Where no model does it, the earlier one must do."""
    from retinue.runtime.summary import summarise

    last = told.left_out[0]
    try:
        text = await summarise(frame, told.summary, told.left_out, options, live)
    except ExecutionFailed as error:
        logger.warning("The conversation of execution %s could not be summarised: %s", frame.run.id, error)
        return told.summary
    return Summary(text=text, through=last.execution_id, until=last.created_at)


def keep_messages(run: Run, messages: Sequence[ModelMessage]) -> None:
    """Have the end of the run take along what it adds to the conversation."""
    try:
        payload = ModelMessagesTypeAdapter.dump_json(list(messages))
    except PydanticSerializationError:
        return  # a later run is told the prompt and the answer
    _post(run, MESSAGES_KEY, payload)


def _post(run: Run, key: str, payload: bytes) -> asyncio.Future[Any]:
    row = StepRow(
        execution_id=run.id,
        key=key,
        kind=StepKind.NOTE,
        name=key.removeprefix("note:"),
        digest=b"",
        payload=redact(StepKind.NOTE, payload),
        started_at=timezone.now(),
    )
    return run.bridge.journal.post(WriteStep(run=run, row=row))
