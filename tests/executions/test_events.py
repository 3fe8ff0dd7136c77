"""Stored events: their ids, what is read of them, and when they go."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from retinue.executions.events import (
    EventId,
    close_stream,
    final_event,
    prune_events,
    read_events,
)
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.executions.streamed import load_streamed
from retinue.executions.transcript import text_so_far
from retinue.sessions.lifecycle import start_session
from retinue.types import Principal


def text(step, offset, text):
    return "text", {"step": step, "offset": offset, "text": text}


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_id_is_read_as_it_is_written(epoch, seq):
    assert EventId.parse(str(EventId(epoch, seq))) == EventId(epoch, seq)


@pytest.mark.parametrize("text", ["", "-", "1", "1-", "-1", "1-2-3", "a-1", "1-b", "1.5-1", "²-1", "1-" + "9" * 50])
def test_what_is_no_id(text):
    with pytest.raises(ValueError, match="is not the id of an event"):
        EventId.parse(text)


def test_ids_are_in_order():
    ids = [EventId(1, 1), EventId(1, 2), EventId(1, 10), EventId(2, 1), EventId(10, 1)]
    assert sorted({*ids}) == ids
    assert EventId.parse(" 1-7 ") == EventId(1, 7)


@pytest.fixture
def execution(user):
    execution = AgentExecution(
        agent_name="clerk",
        user=user,
        principal_type="user",
        principal_key=str(user.pk),
        input_prompt="Go",
        status="completed",
        output_data="ab",
        completed_at=timezone.now(),
        stream=True,
    )
    execution.root = execution
    execution.save(force_insert=True)
    return execution


def record(execution, *events):
    ExecutionEvent.objects.bulk_create(
        ExecutionEvent(execution=execution, epoch=epoch, seq=seq, kind=kind, data=to_json(data))
        for epoch, seq, kind, data in events
    )


def test_reading_in_order_from_any_place(execution, django_assert_num_queries):
    places = [(2, 1), (1, 2), (10, 1), (1, 1), (1, 10)]
    record(execution, *((epoch, seq, *text(0, 0, "")) for epoch, seq in places))
    ids = [EventId(*place) for place in sorted(places)]
    assert [event.id for event in read_events("default", execution.pk)] == ids
    for number, id in enumerate(ids):
        with django_assert_num_queries(1):
            rest = read_events("default", execution.pk, id)
        assert [event.id for event in rest] == ids[number + 1 :]
    assert [event.id for event in read_events("default", execution.pk, EventId(1, 5))] == ids[2:]


def test_text_so_far_is_what_was_said_and_not_taken_back(execution):
    record(
        execution,
        (1, 1, "thinking", {"step": 0, "offset": 0, "text": "hm"}),
        (1, 2, *text(0, 0, "a")),
        (1, 3, *text(1, 0, "wrong")),
        (2, 1, "reset", {"step": 1}),
        (2, 2, *text(1, 0, "b")),
    )
    assert text_so_far("default", execution.pk) == "a\n\nb"


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


def test_closing_a_stream_goes_on_where_it_stands(execution):
    record(execution, (1, 5, *text(0, 0, "a")), (2, 3, *text(0, 1, "b")))
    close_stream("default", execution.pk)
    last = read_events("default", execution.pk)[-1]
    assert (last.id, last.kind, last.data) == (EventId(2, 4), "final", final_event(execution).data)


def test_stream_that_never_began_is_closed_at_its_first_place(execution):
    close_stream("default", execution.pk)
    assert [event.id for event in read_events("default", execution.pk)] == [EventId(1, 1)]


def test_run_that_is_not_streamed_is_not_closed(execution):
    AgentExecution.objects.update(stream=False)
    close_stream("default", execution.pk)
    assert read_events("default", execution.pk) == []


def test_cut_answers_of_conversations_stay(execution, user):
    """What a run of a conversation had said before it was stopped is nowhere else."""
    record(execution, (1, 1, *text(0, 0, "a")), (1, 2, *text(0, 1, "b")))
    now = timezone.now()
    rows = AgentExecution.objects.filter(pk=execution.pk)
    session = start_session(Principal.of(user), "clerk")
    assert prune_events("default", execution.completed_at) == 0
    for values, goes in (
        ({"session": session, "status": "cancelled"}, 0),
        ({"session": session, "status": "running"}, 0),
        ({"session": session, "status": "completed", "completed_at": now + timedelta(days=1)}, 0),
        ({"session": session, "status": "completed", "completed_at": now - timedelta(days=1)}, 2),
    ):
        rows.update(**values)
        assert prune_events("default", now) == goes
    record(execution, (1, 1, *text(0, 0, "a")))
    rows.update(session=None, status="cancelled")
    assert prune_events("default", now) == 1
