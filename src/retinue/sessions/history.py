"""What a model is told of a conversation: its turns, as many as there is room for.

A history is valid for every provider: it begins with what the user said, requests and responses alternate, it ends
with a response, and every tool call is followed by its result. Turns are left out whole, or told in short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    UserPromptPart,
    repair_messages,
)

from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import FINAL, Status, StepKind
from retinue.executions.transcript import answer_so_far
from retinue.providers.bounds import message_tokens

MESSAGES_KEY = "note:messages"
"""The step of a completed run that holds what it added to the conversation."""
HISTORY_KEY = "note:history"
"""The step of a run that holds what its model was told of the conversation: `messages`, and a `summary` if any."""
INTERRUPTED = "[The answer was interrupted here.]"
BROKEN_OFF = "[The answer broke off here.]"
DONE = "[Tools that were called by then, with their results:]"
RESULT_CHARS = 500
CHUNK = 20
"""How many turns are read at once."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A message of the user's and what came of it."""

    execution_id: UUID
    created_at: datetime
    messages: list[ModelMessage]
    prompt: str
    answer: str

    @property
    def in_short(self) -> list[ModelMessage]:
        """The prompt and the answer, without what was done in between."""
        return exchange(self.prompt, self.answer)


def exchange(prompt: str, answer: str) -> list[ModelMessage]:
    """A question and its answer."""
    return [ModelRequest(parts=[UserPromptPart(prompt)]), _response(answer)]


def _response(answer: str) -> ModelResponse:
    """Some providers take no empty texts."""
    return ModelResponse(parts=[TextPart(answer if answer.strip() else "…")])


def dump(messages: Sequence[ModelMessage]) -> Any:
    """Messages as JSON values."""
    return ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")


def turns_before(alias: str, execution: AgentExecution, after: datetime | None = None) -> Iterator[Turn]:
    """The turns of the execution's session before it (and after that time), the latest first.

    Of a run that was cancelled counts what it had said and done until then; a run that failed counts if it had said or
    done something.
    """
    earlier = AgentExecution.objects.using(alias).filter(
        Q(created_at__gt=after) if after is not None else Q(),
        session=execution.session_id,
        parent=None,
        replaced_by=None,
        status__in=FINAL,
        created_at__lt=execution.created_at,
    )
    before = execution.created_at
    while chunk := list(earlier.filter(created_at__lt=before).order_by("-created_at")[:CHUNK]):
        stored = dict(
            ExecutionStep.objects.using(alias)
            .filter(execution__in=[row.pk for row in chunk], key=MESSAGES_KEY, kind=StepKind.NOTE)
            .values_list("execution", "payload")
        )
        for row in chunk:
            if (turn := _turn(alias, row, stored.get(row.pk))) is not None:
                yield turn
        before = chunk[-1].created_at


def _turn(alias: str, row: AgentExecution, stored: Any) -> Turn | None:
    if row.status == Status.COMPLETED:
        answer = row.answer
        messages = _spoken(bytes(stored), answer) if stored is not None else None
    else:
        said = answer_so_far(alias, row)
        if row.status == Status.FAILED and not said and not _calls(alias, row).exists():
            return None
        mark = INTERRUPTED if row.status == Status.CANCELLED else BROKEN_OFF
        answer, messages = "\n\n".join(filter(None, [said, mark, _done(alias, row)])), None
    messages = messages or exchange(row.input_prompt, answer)
    return Turn(
        execution_id=row.pk, created_at=row.created_at, messages=messages, prompt=row.input_prompt, answer=answer
    )


def _calls(alias: str, row: AgentExecution) -> QuerySet[ExecutionStep]:
    return ExecutionStep.objects.using(alias).filter(execution=row.pk, kind=StepKind.TOOL)


def _done(alias: str, row: AgentExecution) -> str:
    """What a run that did not come to its end had done: a model that is not told of it does it again."""
    calls = _calls(alias, row).order_by("id").values_list("name", "payload")
    lines = [f"- {name}: {bytes(payload or b'').decode()[:RESULT_CHARS]}" for name, payload in calls]
    return "\n".join([DONE, *lines]) if lines else ""


def _spoken(payload: bytes, answer: str) -> list[ModelMessage] | None:
    """The messages of a completed run, as they can stand in any later conversation; None where they cannot be read."""
    try:
        messages = ModelMessagesTypeAdapter.validate_json(payload)
    except ValueError:  # what a site's redaction left
        return None
    return as_turn(messages, answer)


def as_turn(messages: list[ModelMessage], answer: str) -> list[ModelMessage] | None:
    """The messages of one run as a turn of a history; None where they do not begin with what the user said.

    The agent says its instructions anew in every run. Where the answer was given through a tool, what follows the
    tool's result is the answer as text: a history ends with a response.
    """
    kept = repair_messages([*_telling(map(_without_instructions, messages))])
    first = kept[0] if kept else None
    if not isinstance(first, ModelRequest) or not any(isinstance(part, UserPromptPart) for part in first.parts):
        return None
    if isinstance(kept[-1], ModelRequest):
        kept.append(_response(answer))
    return kept


def _telling(messages: Iterable[ModelMessage]) -> Iterator[ModelMessage]:
    """Those that say or do something: without an empty answer, and without the request to do better that followed."""
    was_empty = False
    for message in messages:
        if isinstance(message, ModelResponse):
            parts = [part for part in message.parts if not (isinstance(part, TextPart) and not part.content.strip())]
            was_empty = all(isinstance(part, ThinkingPart) for part in parts)
            if not was_empty:
                yield replace(message, parts=parts)
        elif message.parts and not was_empty:
            yield message


def _without_instructions(message: ModelMessage) -> ModelMessage:
    if isinstance(message, ModelResponse):
        return message
    parts = [part for part in message.parts if not isinstance(part, SystemPromptPart)]
    return replace(message, parts=parts, instructions=None)


def fitting(turns: Iterable[Turn], tokens: int) -> list[tuple[Turn, list[ModelMessage]]]:
    """As many of these turns, the latest first, as this many tokens are room for; each with what is told of it.

    A turn is told whole, or else in short; what is older than the first that fits neither way is left out. Tokens are
    counted from above (see `providers.bounds`), so that no model finds the history longer than it may be.
    """
    room, kept = tokens, []
    for turn in turns:
        told = next((said for said in (turn.messages, turn.in_short) if message_tokens(said) <= room), None)
        if told is None:
            break
        kept.append((turn, told))
        room -= message_tokens(told)
    return kept


def in_order(told: Iterable[list[ModelMessage]]) -> list[ModelMessage]:
    """One history of what is told of turns that come the latest first."""
    return [message for messages in reversed(list(told)) for message in messages]
