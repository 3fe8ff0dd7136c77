"""Tells watchers of a run what happens in it, as it happens, and has it stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from pydantic_ai import RunContext
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)
from pydantic_core import to_json, to_jsonable_python

from retinue.conf import get_settings
from retinue.executions.events import Event, EventId, final_data
from retinue.executions.states import EventKind, Status
from retinue.runtime.journal.events import WriteEvents
from retinue.runtime.journal.payload import redact
from retinue.runtime.journal.statements.endings import Ending
from retinue.storable import storable

if TYPE_CHECKING:
    from retinue.approvals.models import Approval
    from retinue.runtime.events.hub import Hub
    from retinue.runtime.run import Run

LIVE_SECONDS = 0.05
"""How often watchers in this process are given more of a text."""
STORE_SECONDS = 0.15
"""How often more of a text is stored."""
LONGEST_RESULT = 4000
"""Characters of a tool's result that watchers are shown; the journal has all of it."""

Handler = Callable[[RunContext[Any], AsyncIterable[Any]], Any]


class Piece:
    """Text that is not stored yet."""

    __slots__ = ("kind", "offset", "sent", "step", "text")

    def __init__(self, kind: str, step: int, offset: int) -> None:
        self.kind = kind
        self.step = step
        self.offset = offset
        self.text = ""
        self.sent = 0
        """How much of it the watchers in this process have."""

    def data(self, begin: int = 0, end: int | None = None) -> bytes:
        return to_json({"step": self.step, "offset": self.offset + begin, "text": self.text[begin:end]})


class Recorder:
    """The events of one run. Belongs to the engine's loop."""

    def __init__(self, run: Run, hub: Hub) -> None:
        self._run = run
        self._hub = hub
        self._streamed = run.streamed
        self._step = 0
        self._parts: dict[int, tuple[str, int]] = {}
        """Where the parts of the answer begin that is being given: the kind and the offset, by their index."""
        self._piece: Piece | None = None
        self._ready: list[Event] = []
        self._told = self._stored = 0.0
        self._writing: list[list[Event]] = []
        """What is on its way into the table."""
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._mute = False
        """Nothing is told any more before it is stored."""
        self.last: EventId | None = None
        """The newest event that those who watch here were told as stored."""
        hub.open(run.id, self)

    @property
    def goes_on(self) -> bool:
        """Whether the run told something before it came here."""
        return self._streamed.epoch > 1

    # --- what happens

    def started(self) -> None:
        """The run begins, or goes on."""
        again = self.goes_on and not self._streamed.waited
        self._emit(EventKind.STATE, {"status": Status.RUNNING, "resumed": again})
        for kind, data in self._streamed.voids():
            self._emit(kind, data)

    def asks(self, step: int) -> None:
        """A model is about to be asked. What it had said of its answer before is void."""
        self._begin(step)
        if any(told >= step for told in self._streamed.steps):
            self._streamed.forget(step)
            self._emit(EventKind.RESET, {"step": step})

    def replayed(self, step: int, response: ModelResponse) -> None:
        """An answer is on record. What watchers were not told of it before the process died follows."""
        self._begin(step)
        for kind, part_type in ((EventKind.THINKING, ThinkingPart), (EventKind.TEXT, TextPart)):
            text = storable("".join(part.content for part in response.parts if isinstance(part, part_type)))
            told = self._streamed.lengths.get((kind, step), 0)
            if len(text) > told:
                self._add(kind, text[told:])

    def around(self, handler: Handler | None) -> Handler:
        """A handler of pydantic-ai's events that takes them down, and gives them to another one."""

        async def handle(ctx: RunContext[Any], events: AsyncIterable[Any]) -> None:
            async def taken() -> AsyncIterator[Any]:
                async for event in events:
                    self._take(event)
                    yield event

            if handler is not None:
                await handler(ctx, taken())
            else:
                async for _ in taken():
                    pass

        return handle

    def waits(self, questions: Sequence[Approval]) -> list[Event]:
        """The run parks. Gives what is to be stored with that."""
        asked = [
            {"id": str(q.id), "call_id": q.call_id, "tool": q.tool_name, "arguments": q.arguments} for q in questions
        ]
        return self._last(EventKind.STATE, {"status": Status.WAITING, "resumed": False, "approvals": asked})

    def handed_back(self) -> list[Event]:
        """Another worker goes on with it. Gives what is to be stored with that."""
        return self._last(EventKind.STATE, {"status": Status.QUEUED, "resumed": False})

    def ends(self, final: bytes) -> list[Event]:
        """The run ends. Gives what is to be stored with that."""
        return self._last(EventKind.FINAL, final)

    def published(self, events: list[Event]) -> None:
        """These are stored now."""
        if events:
            self.last = events[-1].id
        self._ready = [event for event in self._ready if event not in events]
        self._hub.publish(self._run.id, events)

    def close(self) -> None:
        """The run is not in this process any more."""
        self._cancel_timers()
        self._piece = None
        self._hub.close(self._run.id, self)

    def unstored(self) -> Event | None:
        """The text that those who watch have, and that a newcomer does not find in the database."""
        piece = self._piece
        if piece is None or not piece.sent or self._is_behind(piece):
            return None
        return self._live(piece, 0, piece.sent)

    # --- pydantic-ai's events

    def _take(self, event: Any) -> None:
        match event:
            case PartStartEvent(part=TextPart(content=text)):
                self._start(EventKind.TEXT, event.index, text)
            case PartStartEvent(part=ThinkingPart(content=text)):
                self._start(EventKind.THINKING, event.index, text)
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                self._add(EventKind.TEXT, storable(text))
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                self._add(EventKind.THINKING, storable(text))
            case FunctionToolCallEvent(part=call) if (self._step, call.tool_call_id) not in self._streamed.calls:
                self._streamed.calls.add((self._step, call.tool_call_id))
                arguments = storable(to_jsonable_python(call.args_as_dict(), fallback=str))
                self._emit(
                    EventKind.TOOL_CALL,
                    {"step": self._step, "call_id": call.tool_call_id, "tool": call.tool_name, "arguments": arguments},
                )
                self._streamed.steps.add(self._step)
            case FunctionToolResultEvent(part=part) if (self._step, part.tool_call_id) not in self._streamed.results:
                self._streamed.results.add((self._step, part.tool_call_id))
                outcome = {"retried": "retry", "interrupted": "failed"}.get(part.outcome, part.outcome)
                content, cut = shown(part.content)
                self._emit(
                    EventKind.TOOL_RESULT,
                    {"call_id": part.tool_call_id, "tool": part.tool_name, "outcome": outcome}
                    | {"content": content, "cut": cut},
                )

    def _begin(self, step: int) -> None:
        self._store()
        self._cancel_timers()
        self._step = step
        self._parts.clear()
        self._told = self._stored = 0.0  # the first words of an answer wait for nothing

    def _start(self, kind: str, index: int, text: str) -> None:
        """A part begins. One that begins again replaces what was said since."""
        self._store()
        if index in self._parts:
            kind_before, offset = self._parts[index]
            self._streamed.lengths[kind_before, self._step] = offset
        self._parts[index] = kind, self._streamed.lengths.get((kind, self._step), 0)
        if text:
            self._add(kind, storable(text))

    # --- text

    def _add(self, kind: str, text: str) -> None:
        if not text:
            return
        piece, place = self._piece, (kind, self._step)
        if piece is not None and (piece.kind, piece.step) != place:
            self._store()
            piece = None
        if piece is None:
            piece = self._piece = Piece(kind, self._step, self._streamed.lengths.get(place, 0))
            self._streamed.steps.add(self._step)
        piece.text += text
        self._streamed.lengths[place] = piece.offset + len(piece.text)
        self._soon(self._tell, self._told + LIVE_SECONDS)
        self._soon(self._store, self._stored + STORE_SECONDS)

    def _soon(self, what: Callable[[], None], when: float) -> None:
        """Do it then; the first of a text at once."""
        if what not in self._timers:
            wait = when - time.monotonic()
            if wait <= 0:
                what()
            else:
                self._timers[what] = asyncio.get_running_loop().call_later(wait, self._due, what)

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, what: Callable[[], None]) -> None:
        self._timers.pop(what, None)
        what()

    def _tell(self) -> None:
        """Give the watchers in this process the text that they do not have yet."""
        piece = self._piece
        if piece is None or piece.sent == len(piece.text) or self._mute or self._is_behind(piece):
            return
        if get_settings().redact is not None:
            return  # what a site has taken out before it is stored is not to be seen before, either
        self._told = time.monotonic()
        if self._hub.is_watched(self._run.id):
            self._hub.publish(self._run.id, [self._live(piece, piece.sent, None)])
        piece.sent = len(piece.text)

    def _is_behind(self, piece: Piece) -> bool:
        """Whether something else comes first that is not stored yet: who comes now would miss it."""
        return any(place_of(event) != (piece.kind, piece.step) for batch in self._writing for event in batch)

    def _live(self, piece: Piece, begin: int, end: int | None) -> Event:
        return Event(self._run.id, piece.kind, piece.data(begin, end), epoch=self._streamed.epoch)

    def _close_piece(self) -> None:
        """The text until now is to be stored as one event."""
        self._tell()
        piece, self._piece = self._piece, None
        if piece is not None:
            self._ready.append(event := self._event(piece.kind, piece.data()))
            if get_settings().redact is not None:
                self._streamed.take(event)  # what is left may be longer, or shorter

    # --- storing

    def _event(self, kind: str, data: bytes) -> Event:
        data = redact("event", data)
        return Event(self._run.id, kind, data, self._streamed.next_id(), timezone.now(), self._streamed.epoch)

    def _emit(self, kind: str, content: dict[str, Any]) -> None:
        self._close_piece()
        self._ready.append(self._event(kind, to_json(content)))
        self._store()

    def _last(self, kind: str, content: dict[str, Any] | bytes) -> list[Event]:
        """What is left is kept until it is published: it comes with the next end, where the database refuses this."""
        self._close_piece()
        self._cancel_timers()
        data = content if isinstance(content, bytes) else to_json(content)
        return [*self._ready, self._event(kind, data)]

    def _store(self) -> None:
        """Have written what there is; those who watch are told once it is."""
        self._close_piece()
        events, self._ready = self._ready, []
        if not events:
            return
        self._stored = time.monotonic()
        self._writing.append(events)
        written = self._run.bridge.journal.post(WriteEvents(run=self._run, events=events))
        written.add_done_callback(lambda done: self._written(events, done))

    def _written(self, events: list[Event], done: asyncio.Future[None]) -> None:
        self._writing.remove(events)
        if not done.cancelled() and done.exception() is None:
            self.published(events)
            self._tell()
        else:
            self._mute = True  # what is lost would be missing before it


def last_events(run: Run, ending: Ending, questions: Sequence[Approval] = ()) -> list[Event]:
    """What watchers are told with what becomes of a run; nothing where it is not streamed."""
    recorder = run.recorder
    if recorder is None:
        return []
    if ending.status == Status.WAITING:
        return recorder.waits(questions)
    if ending.status == Status.QUEUED:
        return recorder.handed_back()
    ended = copy(run.execution)
    ending.show_on(ended)
    return recorder.ends(final_data(ended))


def place_of(event: Event) -> tuple[str, int | None]:
    """To which text it belongs; no text is at the place of another event."""
    return event.kind, event.content.get("step")


def shown(content: Any) -> tuple[Any, bool]:
    """A tool's result as watchers are shown it, and whether that is only the beginning of it."""
    value = storable(to_jsonable_python(content, fallback=str))
    text = value if isinstance(value, str) else to_json(value).decode()
    return (value, False) if len(text) <= LONGEST_RESULT else (text[:LONGEST_RESULT], True)
