"""Streams in AG-UI's format: any of its clients arrives at the same conversation, however often it is cut off."""

import sys

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retinue.executions.events import Event
from retinue.executions.models import ExecutionEvent
from retinue.http.ag_ui.translator import Translator
from retinue.runtime.events.watch import Beat
from retinue.sessions.models import AISession
from tests.http.ag_ui_client import Client
from tests.http.streams import EVENTFUL, EVENTFUL_TEXT, frames, record, text
from tests.http.test_events import address, streams

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.http.urls")]

FORMAT = "?format=ag-ui"


@pytest.fixture
def eventful(ada):
    return record(EVENTFUL, ada)


@pytest.fixture
def watched(eventful, ada, login, read):
    """A client that saw the whole stream in one go."""
    client = Client()
    client.read(read(login(ada), address(eventful[0], FORMAT))[1])
    return client


def test_conversation(eventful, watched):
    id = eventful[0].pk
    search = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q":"lamp"}'}}
    sell = {"id": "c2", "type": "function", "function": {"name": "sell", "arguments": "{}"}}
    assert watched.messages == [
        {"id": f"{id}:prompt", "role": "user", "content": "Tell me a story."},
        {"id": f"{id}:0:thinking", "role": "reasoning", "content": "Let me look."},
        {"id": f"{id}:0:text", "role": "assistant", "content": "I look it up.", "toolCalls": [search]},
        {"id": f"{id}:c1", "role": "tool", "toolCallId": "c1", "content": '[1,"ü"]'},
        {"id": f"{id}:1:text", "role": "assistant", "content": "I sell one.", "toolCalls": [sell]},
        {"id": f"{id}:c2", "role": "tool", "toolCallId": "c2", "content": "No."},
        {"id": f"{id}:2:text", "role": "assistant", "content": "The end."},
    ]
    assert watched.texts == EVENTFUL_TEXT


def test_events_in_their_order(watched):
    assert [event.type.value for event in watched.events] == [
        "RUN_STARTED",
        "MESSAGES_SNAPSHOT",
        *("REASONING_START", "REASONING_MESSAGE_START"),
        *("REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT"),
        *("REASONING_MESSAGE_END", "REASONING_END"),
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT"),
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"),
        "TEXT_MESSAGE_END",
        "TOOL_CALL_RESULT",
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        "MESSAGES_SNAPSHOT",  # the process died, and its half answer is void
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"),
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"),
        *("TEXT_MESSAGE_END", "RUN_FINISHED"),  # it waits for an approval
        "RUN_STARTED",
        "TOOL_CALL_RESULT",
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        "RUN_FINISHED",
    ]


def test_wait_for_an_approval(eventful, watched):
    waits, ends = watched.ends
    assert waits.outcome.type == "interrupt"
    (interrupt,) = waits.outcome.interrupts
    assert (interrupt.id, interrupt.reason, interrupt.tool_call_id) == ("77", "approval", "c2")
    assert interrupt.message == "sell waits for an approval."
    assert interrupt.metadata == {"tool": "sell", "arguments": {}}
    assert (ends.outcome.type, ends.result) == ("success", "The end.")
    assert ends.thread_id == ends.run_id == str(eventful[0].pk)


@pytest.mark.parametrize(("status", "type"), [("cancelled", "RUN_FINISHED"), ("failed", "RUN_ERROR")])
def test_other_ends(status, type, ada, login, read):
    given = {"output_data": None, "error_code": "timeout", "error_message": "The run took longer than it may."}
    execution, _ = record([(1, *text(0, 0, "I beg"))], ada, status=status, **given)
    client = Client()
    client.read(read(login(ada), address(execution, FORMAT))[1])
    (end,) = client.ends
    assert (end.type, client.texts) == (type, ["I beg"])
    if status == "failed":
        assert (end.code, end.message) == ("timeout", "The run took longer than it may.")
    else:
        assert end.outcome.type == "cancelled"


def test_answer_that_was_not_streamed(eventful, ada, login, read):
    ExecutionEvent.objects.all().delete()
    client = Client()
    client.read(read(login(ada), address(eventful[0], FORMAT))[1])
    assert client.texts == ["The end."]


def test_client_that_comes_back_at_every_place(eventful, watched, ada, login, read):
    execution, recorded = eventful
    visitor = login(ada)
    for id, _, _ in recorded[:-1]:
        client = Client()
        client.read(read(visitor, address(execution, FORMAT), last_event_id=str(id))[1])
        assert client.messages == watched.messages, id
        assert client.ends[-1] == watched.ends[-1]
    assert read(visitor, address(execution, FORMAT), last_event_id=str(recorded[-1][0]))[0].status_code == 204


def test_client_that_is_cut_off_at_every_frame(eventful, watched, ada, login, read):
    """Also between two frames that were one event."""
    execution, _ = eventful
    visitor = login(ada)
    whole = read(visitor, address(execution, FORMAT))[1]
    for cut in range(1, len(frames(whole))):
        client = Client()
        client.read(whole, cut)
        headers = {"last_event_id": str(client.place)} if client.place else {}
        client.read(read(visitor, address(execution, FORMAT), **headers)[1])
        assert client.messages == watched.messages, cut


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=streams(), breaks=st.lists(st.integers(0, 12), max_size=4))
def test_any_stream(events, breaks, ada, login, read):
    execution, _ = record(events, ada)
    visitor, client, whole = login(ada), Client(), Client()
    whole.read(read(visitor, address(execution, FORMAT))[1])
    for cut in [*breaks, None]:
        headers = {"last_event_id": str(client.place)} if client.place else {}
        response, body = read(visitor, address(execution, FORMAT), **headers)
        if response.status_code == 204:
            break
        client.read(body, cut)
    assert client.texts == whole.texts


def test_text_that_is_said_anew_without_a_reset(ada, login, read):
    """AG-UI can only append: so the messages are told as a whole."""
    execution, _ = record([(1, *text(0, 0, "one two")), (1, *text(0, 4, "three"))], ada)
    client = Client()
    client.read(read(login(ada), address(execution, FORMAT))[1])
    assert client.texts == ["one three"]


def test_earlier_turns_of_the_session(ada, login, read):
    ours = {"user": ada, "principal_type": "user", "principal_key": str(ada.pk), "agent_name": "narrator"}
    session = AISession.objects.create(**ours)
    replaced, _ = record([], ada, session=session, output_data="Never.")
    record([], ada, session=session, output_data="Once.", replaces=replaced)
    record([(1, *text(0, 0, "Not aga"))], ada, session=session, status="cancelled", output_data=None)
    record([], ada, output_data="Elsewhere.")
    second, _ = record([(1, *text(0, 0, "Twice."))], ada, session=session, created_at=timezone.now())
    client = Client()
    client.read(read(login(ada), address(second, FORMAT))[1])
    assert [(message["role"], message["content"]) for message in client.messages] == [
        ("user", "Tell me a story."),
        ("assistant", "Once."),
        ("user", "Tell me a story."),
        ("assistant", "Not aga"),
        ("user", "Tell me a story."),
        ("assistant", "Twice."),
    ]
    assert client.ends[0].thread_id == str(session.pk)


def test_text_that_is_not_stored_yet(eventful):
    """It is told once, whatever comes of it later."""
    execution, _ = eventful
    translator = Translator(execution, [], None)
    live = [
        Event(execution.pk, "text", b'{"step":0,"offset":0,"text":"On"}'),
        Event(execution.pk, "text", b'{"step":0,"offset":2,"text":"ce."}'),
    ]
    body = b"".join(translator.encode(item) for item in [*live, Beat()])
    assert [frame.content["delta"] for frame in frames(body) if "CONTENT" in frame.data] == ["On", "ce."]
    assert body.endswith(b": beat\n\n")


def test_site_without_the_package(eventful, ada, login, read, monkeypatch):
    monkeypatch.setitem(sys.modules, "ag_ui", None)
    response, _ = read(login(ada), address(eventful[0], FORMAT))
    assert response.status_code == 501
    assert response.json() == {
        "detail": "This site has no AG-UI. To have it: pip install django-retinue[ag-ui]",
        "code": "format_missing",
    }
