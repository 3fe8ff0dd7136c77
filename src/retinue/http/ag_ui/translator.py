"""From a run's events to those of AG-UI.

Each connection is a whole stream to AG-UI's clients: it begins with RUN_STARTED, and nothing in it goes on that it has
not opened. So who comes back gets a MESSAGES_SNAPSHOT of what he has, and everything after that place.
"""

from __future__ import annotations

from typing import Any

from ag_ui.core import (
    PROTOCOL_VERSION,
    AssistantMessage,
    BaseEvent,
    Interrupt,
    Message,
    MessagesSnapshotEvent,
    ReasoningEndEvent,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    UserMessage,
)
from django.utils.translation import gettext as _

from retinue.executions.events import Event, EventId
from retinue.executions.models import AgentExecution
from retinue.executions.states import FINAL, EventKind, Status
from retinue.executions.transcript import answer_so_far
from retinue.http import sse
from retinue.http.ag_ui.messages import Transcript, as_text
from retinue.runtime.events.watch import Beat, Stored

FORMAT = "ag-ui"


def conversation_before(execution: AgentExecution, alias: str) -> list[Message]:
    """The earlier turns of the run's session, and what was asked now."""
    messages: list[Message] = []
    if execution.session_id is not None:
        turns = AgentExecution.objects.using(alias).filter(
            session=execution.session_id, status__in=FINAL, replaced_by=None, created_at__lt=execution.created_at
        )
        for turn in turns.order_by("created_at"):
            messages.append(_prompt(turn))
            if said := answer_so_far(alias, turn):
                messages.append(AssistantMessage(id=f"{turn.pk}:answer", content=said))
    return [*messages, _prompt(execution)]


def _prompt(execution: AgentExecution) -> UserMessage:
    return UserMessage(id=f"{execution.pk}:prompt", content=execution.input_prompt)


class Translator:
    """Makes the frames of one connection, from all of a run's events: those up to `after` only count."""

    def __init__(self, execution: AgentExecution, earlier: list[Message], after: EventId | None) -> None:
        self._run_id = str(execution.pk)
        self._thread_id = str(execution.session_id or execution.pk)
        self._earlier = earlier
        self._after = after
        self._transcript = Transcript(self._run_id)
        self._is_open = False
        self._is_running = False
        self._speaking: dict[str, int] = {}
        """The messages that are open: the step of each kind."""

    def encode(self, item: Event | Stored | Beat) -> bytes:
        """The frames of an item; none for what the client has."""
        match item:
            case Beat():
                return _frames(self._open()) + sse.BEAT
            case Stored():
                return _frames(self._open()) + sse.id_only(item.id)
        if self._after is not None and item.id is not None and item.id <= self._after:
            self._transcript.take(item)
            return _frames(self._open()) if item.id == self._after else b""
        events = [*self._open(), *self._translate(item)]
        if not events and item.id is not None:
            return sse.id_only(item.id)
        return _frames(events, item.id)

    def _open(self) -> list[BaseEvent]:
        """What a connection begins with; nothing after that."""
        if self._is_open:
            return []
        self._is_open = True
        return [*self._start(), self._snapshot(), *(self._interrupt() if self._transcript.questions else [])]

    def _translate(self, event: Event) -> list[BaseEvent]:
        data = event.content
        match event.kind:
            case EventKind.TEXT | EventKind.THINKING:
                return [*self._start(), *self._say(event, data)]
            case EventKind.TOOL_CALL:
                self._transcript.take(event)
                return [*self._start(), *self._hush(EventKind.THINKING), *self._call(data)]
            case EventKind.TOOL_RESULT:
                self._transcript.take(event)
                return [*self._start(), *self._hush(), self._result(data)]
            case EventKind.RESET:
                self._transcript.take(event)
                return [*self._start(), *self._hush(), self._snapshot()]
            case EventKind.STATE:
                self._transcript.take(event)
                if self._transcript.questions:
                    return [*self._start(), *self._hush(), *self._interrupt()]
                return self._start() if data["status"] == Status.RUNNING else []
            case EventKind.FINAL:
                return [*self._start(), *self._hush(), *self._answer(data), self._end(data)]
            case _:
                return []

    # Messages

    def _say(self, event: Event, data: dict[str, Any]) -> list[BaseEvent]:
        step, kind = data["step"], event.kind
        before = self._transcript.text(step, kind)
        self._transcript.take(event)
        now = self._transcript.text(step, kind)
        if not now.startswith(before):  # AG-UI can only append
            return [*self._hush(), self._snapshot()]
        if now == before:
            return []
        events = self._hush_but(step, kind)
        if kind not in self._speaking:
            self._speaking[kind] = step
            events += self._begin(self._transcript.id_of(step, kind), kind)
        make = TextMessageContentEvent if kind == EventKind.TEXT else ReasoningMessageContentEvent
        return [*events, make(message_id=self._transcript.id_of(step, kind), delta=now[len(before) :])]

    def _begin(self, id: str, kind: str) -> list[BaseEvent]:
        if kind == EventKind.TEXT:
            return [TextMessageStartEvent(message_id=id, role="assistant")]
        return [ReasoningStartEvent(message_id=id), ReasoningMessageStartEvent(message_id=id)]

    def _hush_but(self, step: int, kind: str) -> list[BaseEvent]:
        """Close what does not go on with this: thoughts end where something is said, all ends with its step."""
        if any(open_step != step for open_step in self._speaking.values()):
            return self._hush()
        return self._hush(EventKind.THINKING) if kind == EventKind.TEXT else []

    def _hush(self, *kinds: str) -> list[BaseEvent]:
        """Close the open messages of these kinds, or all."""
        events: list[BaseEvent] = []
        for kind in [kind for kind in self._speaking if not kinds or kind in kinds]:
            id = self._transcript.id_of(self._speaking.pop(kind), kind)
            if kind == EventKind.TEXT:
                events.append(TextMessageEndEvent(message_id=id))
            else:
                events += [ReasoningMessageEndEvent(message_id=id), ReasoningEndEvent(message_id=id)]
        return events

    def _call(self, data: dict[str, Any]) -> list[BaseEvent]:
        call_id, parent = data["call_id"], self._transcript.id_of(data["step"])
        return [
            ToolCallStartEvent(tool_call_id=call_id, tool_call_name=data["tool"], parent_message_id=parent),
            ToolCallArgsEvent(tool_call_id=call_id, delta=as_text(data["arguments"])),
            ToolCallEndEvent(tool_call_id=call_id),
        ]

    def _result(self, data: dict[str, Any]) -> BaseEvent:
        call_id = data["call_id"]
        id = self._transcript.id_of_result(call_id)
        return ToolCallResultEvent(message_id=id, tool_call_id=call_id, content=as_text(data["content"]), role="tool")

    def _answer(self, data: dict[str, Any]) -> list[BaseEvent]:
        """The answer of a run that streamed no text: it was cached, or its events are gone."""
        if not (self._transcript.is_silent and data.get("answer")):
            return []
        id = f"{self._run_id}:answer"
        return [
            TextMessageStartEvent(message_id=id, role="assistant"),
            TextMessageContentEvent(message_id=id, delta=data["answer"]),
            TextMessageEndEvent(message_id=id),
        ]

    def _snapshot(self) -> BaseEvent:
        return MessagesSnapshotEvent(messages=[*self._earlier, *self._transcript.messages()])

    # The run

    def _start(self) -> list[BaseEvent]:
        """Open the run, where it is not open: at the beginning, and after it waited."""
        if self._is_running:
            return []
        self._is_running = True
        return [
            RunStartedEvent(thread_id=self._thread_id, run_id=self._run_id, protocol_version=PROTOCOL_VERSION),
        ]

    def _interrupt(self) -> list[BaseEvent]:
        interrupts = [
            Interrupt(
                id=str(question["id"]),
                reason="approval",
                message=_("%(tool)s waits for an approval.") % {"tool": question["tool"]},
                tool_call_id=question["call_id"],
                metadata={"tool": question["tool"], "arguments": question["arguments"]},
            )
            for question in self._transcript.questions
        ]
        return [self._finish(RunFinishedInterruptOutcome(interrupts=interrupts))]

    def _end(self, data: dict[str, Any]) -> BaseEvent:
        if data["status"] == Status.FAILED:
            return RunErrorEvent(message=data["error_message"], code=data["error_code"])
        if data["status"] == Status.CANCELLED:
            return self._finish(RunFinishedCancelledOutcome())
        return self._finish(
            RunFinishedSuccessOutcome(),
            result=data["answer"] if data["output"] is None else data["output"],
            usage=[TokenUsage(total_tokens=data["tokens"])],
        )

    def _finish(self, outcome: Any, **given: Any) -> BaseEvent:
        self._is_running = False
        return RunFinishedEvent(thread_id=self._thread_id, run_id=self._run_id, outcome=outcome, **given)


def _frames(events: list[BaseEvent], id: EventId | None = None) -> bytes:
    """A frame for each; the last says the id: who breaks off before that gets them all again."""
    last = len(events) - 1
    return b"".join(
        sse.to_frame(event.model_dump_json(by_alias=True).encode(), id=id if number == last else None)
        for number, event in enumerate(events)
    )
