"""Streams as they are recorded, and as clients read them."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone

from retinue.executions.events import EventId, final_data
from retinue.executions.models import AgentExecution, ExecutionEvent
from tests.reader import Frame, frames_of

Recorded = list[tuple[EventId, str, dict[str, Any]]]


FIELDS = {"data", "event", "id", "retry"}


def frames(body: bytes) -> list[Frame]:
    """The frames of a stream that is over: whole ones, and nothing in them that no browser knows."""
    *blocks, rest = body.decode().split("\n\n")
    assert rest == ""
    for block in blocks:
        names = [name for line in block.split("\n") if (name := line.partition(": ")[0])]
        assert len(names) == len(FIELDS.intersection(names)), block
    return list(frames_of(body.splitlines(keepends=True)))


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
