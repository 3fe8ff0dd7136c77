"""What watchers of a run were told before it was taken up again, or ended from outside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from retinue.executions.announcements import announce
from retinue.executions.events import Event, EventId, final_data
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.executions.states import EventKind, Status


@dataclass(kw_only=True)
class Streamed:
    """Where the stored events of an execution end, and what of the run they tell already."""

    epoch: int = 1
    """Of the events to come."""
    seq: int = 0
    """Of the last event of this epoch."""
    lengths: dict[tuple[str, int], int] = field(default_factory=dict)
    """Characters of each kind of text that each model request has given."""
    steps: set[int] = field(default_factory=set)
    """Model requests that anything was told of."""
    calls: set[tuple[int, str]] = field(default_factory=set)
    """Tool calls, by their model request and their id: providers may give an id again in a later answer."""
    results: set[tuple[int, str]] = field(default_factory=set)
    waited: bool = False
    """The last that was told is that it waits."""
    rested: bool = False
    """The last that was told is that no process has it."""

    def take(self, event: Event) -> None:
        """Count an event in."""
        data = event.content
        self.waited = event.kind == EventKind.STATE and data["status"] == Status.WAITING
        self.rested = event.kind == EventKind.STATE and data["status"] != Status.RUNNING
        match event.kind:
            case EventKind.TEXT | EventKind.THINKING:
                self.steps.add(data["step"])
                self.lengths[event.kind, data["step"]] = data["offset"] + len(data["text"])
            case EventKind.TOOL_CALL:
                self.steps.add(data["step"])
                self.calls.add((data["step"], data["call_id"]))
            case EventKind.TOOL_RESULT:
                self.results.add(self._latest_call(data["call_id"]))
            case EventKind.RESET:
                self.forget(data["step"])

    def forget(self, step: int) -> None:
        """The answers from this model request on are void."""
        self.lengths = {place: length for place, length in self.lengths.items() if place[1] < step}
        self.steps = {told for told in self.steps if told < step}
        self.calls = {call for call in self.calls if call[0] < step}
        self.results = {call for call in self.results if call[0] < step}

    def voids(self) -> Iterator[tuple[EventKind, dict[str, Any]]]:
        """What takes back the text that a process had told and not stored when it was stopped."""
        if self.epoch == 1 or self.rested:
            return
        last = max(self.steps, default=-1)
        if last >= 0:
            for kind in (EventKind.THINKING, EventKind.TEXT):
                yield kind, {"step": last, "offset": self.lengths.get((kind, last), 0), "text": ""}
        yield EventKind.RESET, {"step": last + 1}

    def _latest_call(self, call_id: str) -> tuple[int, str]:
        return max((call for call in self.calls if call[1] == call_id), default=(0, call_id))

    def next_id(self) -> EventId:
        self.seq += 1
        return EventId(self.epoch, self.seq)


def load_streamed(alias: str, execution_ids: Iterable[UUID]) -> dict[UUID, Streamed]:
    """What is stored of these executions; those of which nothing is are not in it."""
    found: dict[UUID, Streamed] = {}
    rows = ExecutionEvent.objects.using(alias).filter(execution__in=list(execution_ids))
    for row in rows.order_by("execution", "epoch", "seq").iterator(chunk_size=500):
        streamed = found.setdefault(row.execution_id, Streamed())
        streamed.epoch = row.epoch + 1
        with suppress(ValueError):  # what a site redacted beyond reading says nothing
            streamed.take(Event(row.execution_id, row.kind, bytes(row.data)))
    return found


def close_stream(alias: str, root_id: UUID) -> None:
    """Write the last events of an execution that was ended from outside, with the change of its state."""
    execution = AgentExecution.objects.using(alias).get(pk=root_id)
    if not execution.stream:
        return
    streamed = load_streamed(alias, [root_id]).get(root_id, Streamed())
    told = [(kind, json.dumps(data).encode()) for kind, data in streamed.voids()]
    rows = []
    for kind, data in [*told, (EventKind.FINAL, final_data(execution))]:
        id = streamed.next_id()
        rows.append(ExecutionEvent(execution=execution, epoch=id.epoch, seq=id.seq, kind=kind, data=data))
    ExecutionEvent.objects.using(alias).bulk_create(rows)
    announce(alias, [root_id])
