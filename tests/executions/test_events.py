"""Stored events: their ids, what is read of them, and when they go."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from retinue.executions.events import (
    EventId,
    prune_events,
    read_events,
)
from retinue.executions.models import AgentExecution
from retinue.executions.transcript import text_so_far
from retinue.sessions.lifecycle import start_session
from retinue.types import Principal
from tests.executions.stored import record, text


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


def test_cut_answers_of_conversations_stay(execution, user):
    """What a run of a conversation had said before it was stopped is nowhere else."""
    record(execution, (1, 1, *text(0, 0, "a")), (1, 2, *text(0, 1, "b")))
    now = timezone.now()
    rows = AgentExecution.objects.filter(pk=execution.pk)
    session = start_session(Principal.of(user), "clerk")
    assert prune_events("default", execution.completed_at) == 0
    for values, goes in (
        ({"session": session, "status": "cancelled"}, 0),
        ({"session": session, "status": "failed"}, 0),
        ({"session": session, "status": "running"}, 0),
        ({"session": session, "status": "completed", "completed_at": now + timedelta(days=1)}, 0),
        ({"session": session, "status": "completed", "completed_at": now - timedelta(days=1)}, 2),
    ):
        rows.update(**values)
        assert prune_events("default", now) == goes
    record(execution, (1, 1, *text(0, 0, "a")))
    rows.update(session=None, status="cancelled")
    assert prune_events("default", now) == 1
