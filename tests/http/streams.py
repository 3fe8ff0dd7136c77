"""Streams as they are recorded, and as clients read them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from retinue.executions.events import EventId, final_data
from retinue.executions.models import AgentExecution, ExecutionEvent

Recorded = list[tuple[EventId, str, dict[str, Any]]]


@dataclass(frozen=True)
class Frame:
    """What a browser makes of the lines up to an empty one."""

    data: str = ""
    event: str = ""
    id: str = ""
    retry: str = ""

    @property
    def content(self) -> Any:
        return json.loads(self.data)


def frames(body: bytes) -> list[Frame]:
    """The frames of a stream that is over: it must end with a whole one."""
    *blocks, rest = body.decode().split("\n\n")
    assert rest == ""
    found = []
    for block in blocks:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            assert name in ("", "data", "event", "id", "retry"), line
            assert name == "" or name not in fields, block
            fields[name] = value
        fields.pop("", None)  # a comment
        found.append(Frame(**fields))
    return found


@dataclass
class Reader:
    """A client of Retinue's own events: it keeps each text by its step, and the place where it is."""

    texts: dict[int, str] = field(default_factory=dict)
    place: str = ""
    final: dict[str, Any] | None = None

    def read(self, frame: Frame) -> None:
        match frame.event:
            case "text":
                data = frame.content
                self.texts[data["step"]] = self.texts.get(data["step"], "")[: data["offset"]] + data["text"]
            case "reset":
                self.texts = {step: text for step, text in self.texts.items() if step < frame.content["step"]}
            case "final":
                self.final = frame.content
        self.place = frame.id or self.place


def record(events: list[tuple[int, str, dict[str, Any]]], user: Any, **given: Any) -> tuple[AgentExecution, Recorded]:
    """An execution that has ended, with these events: `(epoch, kind, data)`, numbered in each epoch, and its end."""
    given = {"status": "completed", "output_data": "The end.", "completed_at": timezone.now(), **given}
    execution = AgentExecution(
        agent_name="narrator",
        user=user,
        principal_type="user",
        principal_key=str(user.pk),
        input_prompt="Tell me a story.",
        started_at=timezone.now(),
        stream=True,
        **given,
    )
    execution.root = execution
    execution.save(force_insert=True)
    epoch = events[-1][0] if events else 1
    numbered: Recorded = []
    for at, kind, data in [*events, (epoch, "final", json.loads(final_data(execution)))]:
        seq = 1 + sum(id.epoch == at for id, _, _ in numbered)
        numbered.append((EventId(at, seq), kind, data))
    ExecutionEvent.objects.bulk_create(
        ExecutionEvent(execution=execution, epoch=id.epoch, seq=id.seq, kind=kind, data=json.dumps(data).encode())
        for id, kind, data in numbered
    )
    return execution, numbered


def text(step: int, offset: int, text: str) -> tuple[str, dict[str, Any]]:
    return "text", {"step": step, "offset": offset, "text": text}


# A run that thought, called a tool, was killed in its answer, was asked again, and waited for an approval.
EVENTFUL: list[tuple[int, str, dict[str, Any]]] = [
    (1, "state", {"status": "running", "resumed": False}),
    (1, "thinking", {"step": 0, "offset": 0, "text": "Let me "}),
    (1, "thinking", {"step": 0, "offset": 7, "text": "look."}),
    (1, *text(0, 0, "I look")),
    (1, *text(0, 6, " it up.")),
    (1, "tool_call", {"step": 0, "call_id": "c1", "tool": "search", "arguments": {"q": "lamp"}}),
    (1, "tool_result", {"call_id": "c1", "tool": "search", "outcome": "success", "content": [1, "ü"], "cut": False}),
    (1, *text(1, 0, "There are ")),
    (1, *text(1, 10, "two lam")),
    (2, "state", {"status": "running", "resumed": True}),
    (2, "reset", {"step": 1}),
    (2, *text(1, 0, "I sell one.")),
    (2, "tool_call", {"step": 1, "call_id": "c2", "tool": "sell", "arguments": {}}),
    (
        2,
        "state",
        {
            "status": "waiting",
            "resumed": False,
            "approvals": [{"id": "77", "call_id": "c2", "tool": "sell", "arguments": {}}],
        },
    ),
    (3, "state", {"status": "running", "resumed": False}),
    (3, "tool_result", {"call_id": "c2", "tool": "sell", "outcome": "denied", "content": "No.", "cut": False}),
    (3, *text(2, 0, "The ")),
    (3, *text(2, 4, "end.")),
]
EVENTFUL_TEXT = ["I look it up.", "I sell one.", "The end."]
