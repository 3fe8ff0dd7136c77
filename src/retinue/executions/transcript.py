"""What was said and done in a run: out of its events or out of its journal, in the words of the events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias
from uuid import UUID

from retinue.executions.events import Event, read_events
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.places import call_place, is_at
from retinue.executions.states import EventKind, Status, StepKind
from retinue.storable import storable

Told: TypeAlias = tuple[str, dict[str, Any]]
"""A kind of event, and its data."""
OUTCOMES = {"retry": "retry", "failed": "failed"}
"""What a recorded result says of its call; the others are of calls that succeeded."""


def told_by_events(events: Iterable[Event]) -> Iterator[Told]:
    """What the events say; those that a site redacted beyond reading are left out."""
    for event in events:
        try:
            yield event.kind, event.content
        except ValueError:
            continue


def told_by_steps(steps: Iterable[ExecutionStep]) -> Iterator[Told]:
    """What the model requests and tool calls among the steps say; those redacted beyond reading are left out."""
    calls: dict[str, dict[str, Any]] = {}
    number = -1
    for step in steps:
        number += step.kind == StepKind.MODEL
        try:
            content = step.content
        except ValueError:
            continue
        if step.kind == StepKind.MODEL:
            for kind, data in _told_by_response(number, content):
                if kind == EventKind.TOOL_CALL:
                    calls[call_place(data["tool"], number + 1, data["call_id"])] = data
                yield kind, data
        elif step.kind == StepKind.TOOL:
            call = next((call for place, call in reversed(calls.items()) if is_at(step.key, place)), None)
            if call is not None:
                yield EventKind.TOOL_RESULT, {"call_id": call["call_id"], "tool": call["tool"], **_result(content)}


def _told_by_response(number: int, response: dict[str, Any]) -> Iterator[Told]:
    lengths = {EventKind.TEXT: 0, EventKind.THINKING: 0}
    for part in response.get("parts", ()):
        match part.get("part_kind"):
            case "text" | "thinking" as kind if text := part["content"]:
                said = EventKind(kind)
                yield said, {"step": number, "offset": lengths[said], "text": text}
                lengths[said] += len(text)
            case "tool-call":
                call = {"step": number, "call_id": part["tool_call_id"], "tool": part["tool_name"]}
                yield EventKind.TOOL_CALL, {**call, "arguments": _arguments(part.get("args"))}


def _arguments(given: Any) -> Any:
    """Some providers' arguments are JSON as a text, which may escape what nobody can read."""
    try:
        return storable(json.loads(given)) if isinstance(given, str) else given or {}
    except ValueError:
        return given


def _result(content: dict[str, Any]) -> dict[str, Any]:
    ((kind, value),) = content.items()
    return {
        "outcome": OUTCOMES.get(kind, "success"),
        "content": value.get("return_value") if kind == "full" else value,
    }


def text_so_far(alias: str, execution_id: UUID) -> str:
    """The text of a streamed run's stored events, without what was taken back."""
    return said(read_events(alias, execution_id))


def answer_so_far(alias: str, execution: AgentExecution) -> str | None:
    """What people read as the answer: of a run that did not complete, what it had said, if anything.

    That is in its events, or in its journal where it is not streamed.
    """
    if execution.status == Status.COMPLETED:
        return execution.answer
    if execution.stream:
        return text_so_far(alias, execution.pk) or None
    requests = ExecutionStep.objects.using(alias).filter(execution=execution.pk, kind=StepKind.MODEL)
    return _text_of(told_by_steps(requests.order_by("pk"))) or None


def said(events: Iterable[Event]) -> str:
    """The text that events amount to, without what was taken back."""
    return _text_of(told_by_events(events))


def _text_of(told: Iterable[Told]) -> str:
    """What different model requests said is apart by an empty line."""
    texts: dict[int, str] = {}
    for kind, data in told:
        if kind == EventKind.RESET:
            texts = {step: text for step, text in texts.items() if step < data["step"]}
        elif kind == EventKind.TEXT:
            texts[data["step"]] = texts.get(data["step"], "")[: data["offset"]] + data["text"]
    return "\n\n".join(text for _, text in sorted(texts.items()) if text)
