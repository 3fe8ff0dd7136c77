"""A client of AG-UI, as strict as its own: it puts messages together and refuses what is out of order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import Event, EventType
from pydantic import TypeAdapter

from retinue.executions.events import EventId
from tests.http.streams import frames

EVENT: TypeAdapter[Any] = TypeAdapter(Event)


@dataclass
class Connection:
    """What is open in one connection, and whether a run is."""

    texts: set[str] = field(default_factory=set)
    thoughts: set[str] = field(default_factory=set)
    spans: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    running: bool = False

    @property
    def open(self) -> set[str]:
        return self.texts | self.thoughts | self.spans | self.calls


class Client:
    """Keeps its messages from one connection to the next."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.place: EventId | None = None
        self.ends: list[Any] = []
        """What closed a run: one event for each time."""
        self.events: list[Any] = []

    def read(self, body: bytes, cut: int | None = None) -> None:
        """Take in a connection, up to so many of its frames."""
        connection = Connection()
        for frame in frames(body)[:cut]:
            if frame.data:
                event = EVENT.validate_json(frame.data)
                assert connection.running or event.type in (EventType.RUN_STARTED,), event
                self._take(connection, event)
                self.events.append(event)
            self.place = frame.id or self.place
        assert cut is not None or not connection.running

    @property
    def texts(self) -> list[str]:
        return [each["content"] for each in self.messages if each["role"] == "assistant" and each.get("content")]

    def _message(self, id: str, role: str) -> dict[str, Any]:
        for message in self.messages:
            if message["id"] == id:
                return message
        self.messages.append({"id": id, "role": role})
        return self.messages[-1]

    def _take(self, connection: Connection, event: Any) -> None:
        match event.type:
            case EventType.RUN_STARTED:
                assert not connection.running
                assert (event.thread_id, event.run_id, event.protocol_version) == (event.thread_id, event.run_id, "1.0")
                connection.running = True
            case EventType.RUN_FINISHED | EventType.RUN_ERROR:
                assert not connection.open
                connection.running = False
                self.ends.append(event)
            case EventType.MESSAGES_SNAPSHOT:
                assert not connection.open
                self.messages = [message.model_dump(by_alias=True) for message in event.messages]
            case EventType.TEXT_MESSAGE_START:
                _open(connection.texts, event.message_id)
                self._message(event.message_id, event.role)
            case EventType.TEXT_MESSAGE_CONTENT | EventType.REASONING_MESSAGE_CONTENT:
                assert event.message_id in connection.texts | connection.thoughts
                message = self._message(event.message_id, "?")
                message["content"] = message.get("content", "") + event.delta
            case EventType.TEXT_MESSAGE_END:
                connection.texts.remove(event.message_id)
            case EventType.REASONING_START:
                _open(connection.spans, event.message_id)
            case EventType.REASONING_MESSAGE_START:
                _open(connection.thoughts, event.message_id)
                self._message(event.message_id, "reasoning")
            case EventType.REASONING_MESSAGE_END:
                connection.thoughts.remove(event.message_id)
            case EventType.REASONING_END:
                connection.spans.remove(event.message_id)
            case EventType.TOOL_CALL_START:
                _open(connection.calls, event.tool_call_id)
                calls = self._message(event.parent_message_id, "assistant").setdefault("toolCalls", [])
                function = {"name": event.tool_call_name, "arguments": ""}
                calls.append({"id": event.tool_call_id, "type": "function", "function": function})
            case EventType.TOOL_CALL_ARGS:
                assert event.tool_call_id in connection.calls
                self._call(event.tool_call_id)["function"]["arguments"] += event.delta
            case EventType.TOOL_CALL_END:
                connection.calls.remove(event.tool_call_id)
            case EventType.TOOL_CALL_RESULT:
                assert self._call(event.tool_call_id)
                message = self._message(event.message_id, "tool")
                message.update(toolCallId=event.tool_call_id, content=event.content)
            case _:
                raise AssertionError(f"What is {event.type}?")

    def _call(self, id: str) -> dict[str, Any]:
        (found,) = [call for message in self.messages for call in message.get("toolCalls") or () if call["id"] == id]
        return found


def _open(open: set[str], id: str) -> None:
    assert id not in open
    open.add(id)
