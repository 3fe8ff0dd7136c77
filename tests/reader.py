"""Clients of a run's events that put together what they are told, and complain of what is missing or comes twice.

reader = await read(execution.pk)                # to the end, in this process
assert reader.text == execution.answer

watching = Watching(execution.pk)                # the same on a loop of its own
until(lambda: watching.reader.text == "one ")
assert watching.end().text == "one two "

for frame in frames_of(lines):                   # what a server sends
    reader.take(frame.event, frame.content, frame.id)
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from retinue.executions.events import Event, EventId
from retinue.runtime.events.watch import Beat, Stored, watch
from tests.waiting import WAIT_SECONDS

Content = dict[str, Any]


@dataclass
class Reader:
    """What a client knows. `after`: the last event that it had before."""

    after: EventId | None = None
    ids: list[EventId] = field(default_factory=list)
    events: list[tuple[str, Content]] = field(default_factory=list)
    """What came, text that was not stored yet included."""
    chunks: dict[tuple[str, int], list[tuple[int, str]]] = field(default_factory=dict)
    """The pieces of each text, with their offsets."""
    live: int = 0
    """How many events came before they were stored."""
    beats: int = 0
    final: Content | None = None

    @property
    def last(self) -> EventId | None:
        return self.ids[-1] if self.ids else self.after

    @property
    def text(self) -> str:
        """What the model requests said, with an empty line between."""
        return self.said("text")

    def said(self, kind: str) -> str:
        texts = ["".join(text for _, text in chunks) for (of, _), chunks in sorted(self.chunks.items()) if of == kind]
        return "\n\n".join(text for text in texts if text)

    def kinds(self, *but: str) -> list[str]:
        """The kinds of what came, a text as one, without these."""
        found: list[str] = []
        for kind, _ in self.events:
            if kind not in but and not (kind in ("text", "thinking") and found[-1:] == [kind]):
                found.append(kind)
        return found

    def of(self, kind: str) -> list[Content]:
        return [content for found, content in self.events if found == kind]

    def see(self, item: Event | Stored | Beat) -> None:
        """Take what `watch` gives."""
        match item:
            case Event():
                self.take(item.kind, item.content, item.id)
            case Stored(id=id):
                self.take("", {}, id)
            case _:
                self.beats += 1

    def take(self, kind: str, content: Content, id: EventId | None) -> None:
        """Take an event, or (without a kind) the id of one that came before it was stored."""
        if self.final is not None:
            self.complain("repeated", f"after the end came {id} {kind} {content}")
        if id is not None:
            self._follows(id)
            self.ids.append(id)
        if not kind:
            return
        self.live += id is None
        self.events.append((kind, content))
        match kind:
            case "text" | "thinking":
                self._append(kind, content)
            case "reset":
                self.chunks = {place: kept for place, kept in self.chunks.items() if place[1] < content["step"]}
            case "final":
                self.final = content

    def complain(self, kind: str, sentence: str) -> None:
        """Something is "missed", "repeated" or "differing"."""
        raise AssertionError(f"{kind}: {sentence}")

    def _follows(self, id: EventId) -> None:
        last = self.last or EventId(0, 0)
        if id not in (EventId(last.epoch, last.seq + 1), EventId(last.epoch + 1, 1)):
            self.complain("missed" if id > last else "repeated", f"{id} came after {last}")

    def _append(self, kind: str, content: Content) -> None:
        offset, text = content["offset"], content["text"]
        kept = [chunk for chunk in self.chunks.get((kind, content["step"]), []) if chunk[0] < offset]
        if self.after is None:
            length = sum(len(text) for _, text in kept)
            if length != offset:
                self.complain("differing", f"at {offset} came {text!r}; until there are {length} characters")
        self.chunks[kind, content["step"]] = [*kept, (offset, text)]


async def read(
    execution_id: UUID,
    reader: Reader | None = None,
    *,
    leave: Callable[[Reader], bool] = lambda reader: False,
    beat: float = 15.0,
) -> Reader:
    """Follow a run from where the reader stands to its end, or until he leaves."""
    reader = reader or Reader()
    async with aclosing(watch(execution_id, reader.last, beat=beat)) as items:
        async for item in items:
            reader.see(item)
            if leave(reader):
                break
    return reader


class Watching:
    """A reader on a loop of his own."""

    def __init__(self, execution_id: UUID, reader: Reader | None = None, **options: Any) -> None:
        self.reader = reader or Reader()
        self._error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[Any] | None = None
        self._thread = threading.Thread(target=self._read, args=(execution_id, options), daemon=True)
        self._thread.start()

    def _read(self, execution_id: UUID, options: dict[str, Any]) -> None:
        try:
            self._task = self._loop.create_task(read(execution_id, self.reader, **options))
            self._loop.run_until_complete(self._task)
        except BaseException as error:  # for who waits for the end
            self._error = error
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> Reader:
        """Wait for the end. Raises what the reader complains of."""
        self._thread.join(WAIT_SECONDS)
        assert self.over, f"It has not ended; {self.reader}"
        if self._error is not None:
            raise self._error
        return self.reader

    def leave(self) -> Reader:
        """Have him go away at once, and wait until he has."""
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(WAIT_SECONDS)
        assert isinstance(self._error, asyncio.CancelledError), self._error
        return self.reader


@dataclass(frozen=True)
class Frame:
    """What a browser makes of the lines up to an empty one."""

    event: str = ""
    data: str = ""
    id: EventId | None = None

    @property
    def content(self) -> Content:
        return json.loads(self.data) if self.data else {}  # type: ignore[no-any-return]


def frames_of(lines: Iterable[bytes]) -> Iterator[Frame]:
    """The frames of a stream as its lines come. One that is cut off in its middle is none, as in a browser."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line.endswith(b"\n"):
            return
        if line := line.rstrip(b"\r\n"):
            name, _, value = line.decode().partition(": ")
            fields[name] = value
            continue
        if "data" in fields or "id" in fields:
            id = fields.get("id")
            yield Frame(fields.get("event", ""), fields.get("data", ""), EventId.parse(id) if id else None)
        fields = {}
