"""What watchers were told before, and how their stream is closed from outside."""

import pytest

from retinue.executions.events import EventId, final_event, read_events
from retinue.executions.models import AgentExecution
from retinue.executions.streamed import close_stream, load_streamed
from tests.executions.stored import record, text

REST = {"resumed": False, "approvals": []}


def test_where_a_stream_stands(execution):
    record(
        execution,
        (1, 1, "state", {"status": "running", "resumed": False}),
        (1, 2, *text(0, 0, "abc")),
        (1, 3, "tool_call", {"step": 0, "call_id": "c1", "tool": "t", "arguments": {}}),
        (1, 4, "tool_result", {"call_id": "c1", "tool": "t", "outcome": "success", "content": 1, "cut": False}),
        (1, 5, "tool_call", {"step": 1, "call_id": "c1", "tool": "t", "arguments": {}}),
        (1, 6, "tool_result", {"call_id": "c1", "tool": "t", "outcome": "success", "content": 1, "cut": False}),
        (1, 7, *text(2, 0, "x")),
        (3, 1, "reset", {"step": 1}),
        (3, 2, "state", {"status": "waiting", "resumed": False, "approvals": []}),
    )
    streamed = load_streamed("default", [execution.pk])[execution.pk]
    assert (streamed.epoch, streamed.seq, streamed.waited) == (4, 0, True)
    assert streamed.lengths == {("text", 0): 3}
    assert (streamed.steps, streamed.calls, streamed.results) == ({0}, {(0, "c1")}, {(0, "c1")})
    assert str(streamed.next_id()) == "4-1"


def test_text_that_was_told_and_not_stored_is_taken_back_with_the_end(execution):
    record(execution, (1, 5, *text(0, 0, "a")), (2, 3, *text(1, 0, "bc")))
    close_stream("default", execution.pk)
    *told, last = read_events("default", execution.pk)[2:]
    assert [(str(event.id), event.kind, event.content) for event in told] == [
        ("3-1", "thinking", {"step": 1, "offset": 0, "text": ""}),
        ("3-2", "text", {"step": 1, "offset": 2, "text": ""}),
        ("3-3", "reset", {"step": 2}),
    ]
    assert (last.id, last.kind, last.data) == (EventId(3, 4), "final", final_event(execution).data)


def test_first_words_that_were_not_stored_are_taken_back(execution):
    record(execution, (1, 1, "state", {"status": "running", "resumed": False}))
    close_stream("default", execution.pk)
    told = [(str(event.id), event.kind) for event in read_events("default", execution.pk)]
    assert told == [("1-1", "state"), ("2-1", "reset"), ("2-2", "final")]


def test_what_a_site_redacted_beyond_reading_keeps_nobody_from_ending_it(execution):
    record(execution, (1, 1, *text(0, 0, "a")), (1, 2, *text(0, 1, "b")))
    execution.events.filter(seq=2).update(data=b"[redacted]")
    close_stream("default", execution.pk)
    told = [event.kind for event in read_events("default", execution.pk)][2:]
    assert told == ["thinking", "text", "reset", "final"]


@pytest.mark.parametrize("status", ["waiting", "queued"])
def test_run_that_no_process_had_is_closed_with_its_end(execution, status):
    record(execution, (1, 1, *text(0, 0, "a")), (1, 2, "state", {"status": status, **REST}))
    close_stream("default", execution.pk)
    assert [(event.kind, str(event.id)) for event in read_events("default", execution.pk)][2:] == [("final", "2-1")]


def test_stream_that_never_began_is_closed_at_its_first_place(execution):
    close_stream("default", execution.pk)
    assert [event.id for event in read_events("default", execution.pk)] == [EventId(1, 1)]


def test_run_that_is_not_streamed_is_not_closed(execution):
    AgentExecution.objects.update(stream=False)
    close_stream("default", execution.pk)
    assert read_events("default", execution.pk) == []
