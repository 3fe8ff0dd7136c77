"""Server-Sent Events: what watchers are told, as frames of the wire."""

from __future__ import annotations

from retinue.executions.events import Event, EventId
from retinue.runtime.events.watch import Beat, Stored

CONTENT_TYPE = "text/event-stream; charset=utf-8"
HEADERS = {
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # or nginx would keep frames back
}
RETRY_MILLISECONDS = 1000
"""How long a browser waits before it connects again."""
# A first frame at once: clients and proxies see that the stream is there before anything happens in it.
OPENING = b": stream\nretry: %d\n\n" % RETRY_MILLISECONDS
BEAT = b": beat\n\n"
FORMAT = "sse"


def encode(item: Event | Stored | Beat) -> bytes:
    """The frame of an item; that of an event is made once for all watchers."""
    match item:
        case Event():
            form = FORMAT if item.id else f"{FORMAT}-live"
            frame = item.encoded.get(form)
            if frame is None:
                frame = item.encoded[form] = to_frame(item.data, event=item.kind, id=item.id)
            return frame
        case Stored():
            return id_only(item.id)
        case _:
            return BEAT


def to_frame(data: bytes, *, event: str = "", id: EventId | None = None) -> bytes:
    """One event. `data` is a single line."""
    lines = [b"event: %s" % event.encode()] if event else []
    lines.append(b"data: %s" % data)
    if id is not None:
        lines.append(b"id: %s" % str(id).encode())
    return b"\n".join(lines) + b"\n\n"


def id_only(id: EventId) -> bytes:
    """Says where to go on from. Browsers remember it without telling the page."""
    return b"id: %s\n\n" % str(id).encode()
