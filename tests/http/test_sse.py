"""Frames of the wire."""

import uuid

from retinue.executions.events import Event, EventId
from retinue.http.sse import encode
from retinue.runtime.events.watch import Beat, Stored

RUN = uuid.UUID(int=1)
DATA = '{"text":"ü\\n\u2028"}'.encode()


def test_stored_event():
    event = Event(RUN, "text", DATA, EventId(1, 7))
    assert encode(event) == b"event: text\ndata: " + DATA + b"\nid: 1-7\n\n"


def test_event_that_is_not_stored_yet_has_no_id():
    assert encode(Event(RUN, "text", DATA)) == b"event: text\ndata: " + DATA + b"\n\n"


def test_id_that_comes_later():
    assert encode(Stored(EventId(2, 1))) == b"id: 2-1\n\n"


def test_beat():
    assert encode(Beat()) == b": beat\n\n"


def test_frame_is_made_once_for_all_watchers():
    event = Event(RUN, "text", DATA, EventId(1, 7))
    assert encode(event) is encode(event)


def test_event_that_is_stored_meanwhile():
    event = Event(RUN, "text", DATA)
    encode(event)
    event.id = EventId(1, 7)
    assert encode(event) == b"event: text\ndata: " + DATA + b"\nid: 1-7\n\n"
