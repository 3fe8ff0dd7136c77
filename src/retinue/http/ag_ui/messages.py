"""What a run has said and done so far, as AG-UI's messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import AssistantMessage, FunctionCall, Message, ReasoningMessage, ToolCall, ToolMessage
from pydantic_core import to_json

from retinue.executions.events import Event
from retinue.executions.states import EventKind, Status


@dataclass
class Step:
    """What one model request brought, and what became of it."""

    texts: dict[str, str] = field(default_factory=dict)
    """By the kind of the events: what is said, and what is thought."""
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)


class Transcript:
    """A run's events, put together."""

    def __init__(self, execution_id: str) -> None:
        self._execution_id = execution_id
        self._steps: dict[int, Step] = {}
        self.questions: list[dict[str, Any]] = []
        """The approvals that it waits for."""

    def take(self, event: Event) -> None:
        data = event.content
        match event.kind:
            case EventKind.TEXT | EventKind.THINKING:
                texts = self.step(data["step"]).texts
                texts[event.kind] = texts.get(event.kind, "")[: data["offset"]] + data["text"]
            case EventKind.TOOL_CALL:
                self.step(data["step"]).calls.append(data)
            case EventKind.TOOL_RESULT:
                self._step_of(data["call_id"]).results.append(data)
            case EventKind.RESET:
                self._steps = {number: step for number, step in self._steps.items() if number < data["step"]}
            case EventKind.STATE:
                self.questions = data.get("approvals", []) if data["status"] == Status.WAITING else []

    def step(self, number: int) -> Step:
        return self._steps.setdefault(number, Step())

    def text(self, number: int, kind: str) -> str:
        return self.step(number).texts.get(kind, "")

    @property
    def is_silent(self) -> bool:
        """Whether nothing was said yet."""
        return not any(step.texts.get(EventKind.TEXT) for step in self._steps.values())

    def id_of(self, number: int, kind: str = EventKind.TEXT) -> str:
        """The id of a message of a step."""
        return f"{self._execution_id}:{number}:{kind}"

    def id_of_result(self, call_id: str) -> str:
        return f"{self._execution_id}:{call_id}"

    def messages(self) -> list[Message]:
        return [message for number in sorted(self._steps) for message in self._messages_of(number)]

    def _messages_of(self, number: int) -> list[Message]:
        step, found = self._steps[number], list[Message]()
        if thought := step.texts.get(EventKind.THINKING):
            found.append(ReasoningMessage(id=self.id_of(number, EventKind.THINKING), content=thought))
        text = step.texts.get(EventKind.TEXT)
        if text or step.calls:
            calls = [_call(data) for data in step.calls] or None
            found.append(AssistantMessage(id=self.id_of(number), content=text, tool_calls=calls))
        for result in step.results:
            call_id = result["call_id"]
            found.append(
                ToolMessage(id=self.id_of_result(call_id), tool_call_id=call_id, content=as_text(result["content"]))
            )
        return found

    def _step_of(self, call_id: str) -> Step:
        """The step that made the call: the last one, where several have used its id."""
        for number in sorted(self._steps, reverse=True):
            if any(call["call_id"] == call_id for call in self._steps[number].calls):
                return self._steps[number]
        return self.step(max(self._steps, default=0))


def _call(data: dict[str, Any]) -> ToolCall:
    function = FunctionCall(name=data["tool"], arguments=as_text(data["arguments"]))
    return ToolCall(id=data["call_id"], function=function)


def as_text(value: Any) -> str:
    """A JSON value as AG-UI has it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else to_json(value).decode()
