"""The stream of a run: who sees it, from where on, and what it is made of."""

import asyncio
import re

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.http import events
from retinue.http.principal import GUEST_KEY
from retinue.http.sse import BEAT, OPENING
from tests.http.streams import EVENTFUL, EVENTFUL_TEXT, frames, record, text
from tests.reader import Reader
from tests.waiting import WAIT_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.http.urls")]


def address(execution, query=""):
    return f"/executions/{execution.pk}/events/{query}"


def sent(body):
    """The events of a stream, as they were recorded."""
    assert body.startswith(OPENING)
    return [(frame.id, frame.event, frame.content) for frame in frames(body)]


def take(reader, frames):
    for frame in frames:
        reader.take(frame.event, frame.content, frame.id)


@pytest.fixture
def eventful(ada):
    return record(EVENTFUL, ada)


def test_whole_stream(eventful, ada, login, read):
    execution, recorded = eventful
    response, body = read(login(ada), address(execution))
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response["Cache-Control"] == "no-cache"
    assert response["X-Accel-Buffering"] == "no"
    assert sent(body) == recorded


def test_first_frame_comes_before_anything_happens(ada, login):
    execution, _ = record([], ada)
    ExecutionEvent.objects.all().delete()
    AgentExecution.objects.update(status="queued", completed_at=None)

    async def first():
        response = await login_now.get(address(execution))
        stream = aiter(response)
        try:
            return await anext(stream)
        finally:
            await stream.aclose()

    login_now = login(ada)
    assert re.fullmatch(rb": \w+\nretry: \d+\n\n", async_to_sync(first)())


def test_rest_after_every_place(eventful, ada, login, read):
    execution, recorded = eventful
    client = login(ada)
    for number, (id, _, _) in enumerate(recorded[:-1], 1):
        _, body = read(client, address(execution), last_event_id=str(id))
        assert sent(body) == recorded[number:]
        assert read(client, address(execution, f"?after={id}"))[1] == body


def test_who_has_the_end_needs_not_come_back(eventful, ada, login, read):
    execution, recorded = eventful
    response, body = read(login(ada), address(execution), last_event_id=str(recorded[-1][0]))
    assert (response.status_code, body) == (204, b"")


def test_header_goes_before_the_address(eventful, ada, login, read):
    execution, recorded = eventful
    _, body = read(login(ada), address(execution, "?after=1-1"), last_event_id="3-3")
    assert sent(body) == recorded[-2:]


def test_place_that_never_was(eventful, ada, login, read):
    """What lies after it comes, if anything does."""
    execution, recorded = eventful
    client = login(ada)
    assert sent(read(client, address(execution), last_event_id="1-999")[1]) == recorded[9:]
    assert sent(read(client, address(execution), last_event_id="0-0")[1]) == recorded
    assert read(client, address(execution), last_event_id="9-9")[0].status_code == 204
    assert read(client, address(execution), last_event_id="1-99999999999999999999")[0].status_code == 200


def test_place_that_is_none(eventful, ada, login, read):
    execution, _ = eventful
    response, _ = read(login(ada), address(execution), last_event_id="seven")
    assert response.status_code == 400
    assert response.json() == {
        "detail": "'seven' is not the id of an event: it looks like 1-7.",
        "code": "invalid_input",
    }
    assert read(login(ada), address(execution, "?after=1-"))[0].status_code == 400


def test_format_that_is_none(eventful, ada, login, read):
    execution, _ = eventful
    response, _ = read(login(ada), address(execution, "?format=xml"))
    assert response.status_code == 400
    assert response.json() == {"detail": "There are these formats: sse, ag-ui.", "code": "invalid_input"}


def test_only_get(eventful, ada, login):
    client = login(ada)
    for method in (client.post, client.head, client.delete):
        response = async_to_sync(method)(address(eventful[0]))
        assert (response.status_code, response["Allow"]) == (405, "GET")
    assert response.json() == {"detail": "This address takes GET.", "code": "method_not_allowed"}


def test_site_with_atomic_requests(eventful, ada, login, read, monkeypatch):
    """Django refuses async views there that do not say that they want no transaction."""
    execution, recorded = eventful
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert sent(read(login(ada), address(execution))[1]) == recorded


def test_heartbeats_come_where_nothing_happens(ada, login, monkeypatch):
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.01)
    execution, _ = record([], ada)
    ExecutionEvent.objects.all().delete()
    AgentExecution.objects.update(status="queued", completed_at=None)
    client = login(ada)

    async def beginning():
        stream = aiter(await client.get(address(execution)))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return [await anext(stream) for _ in range(3)]
        finally:
            await stream.aclose()

    assert async_to_sync(beginning)() == [OPENING, BEAT, BEAT]


# A recorded stream: steps whose texts come in pieces, some of which are taken back and said anew.
PIECES = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=9), max_size=4)


@st.composite
def streams(draw):
    events, epoch = [(1, "state", {"status": "running", "resumed": False})], 1
    for step in range(draw(st.integers(0, 3))):
        for _ in range(draw(st.integers(1, 2))):
            offset = 0
            for piece in draw(PIECES):
                events.append((epoch, *text(step, offset, piece)))
                offset += len(piece)
            if draw(st.booleans()):
                break
            epoch += 1
            events.append((epoch, "reset", {"step": step}))
    return events


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(events=streams(), breaks=st.lists(st.integers(0, 12), max_size=4))
def test_client_that_comes_back_misses_nothing_and_gets_nothing_twice(events, breaks, ada, login, read):
    """However often and wherever it is cut off."""
    execution, recorded = record(events, ada)
    client, reader = login(ada), Reader()
    for frames_until_cut in [*breaks, None]:
        headers = {"last_event_id": str(reader.last)} if reader.last else {}
        response, body = read(client, address(execution), **headers)
        if response.status_code == 204:
            break
        take(reader, frames(body)[:frames_until_cut])
    assert reader.ids == [id for id, _, _ in recorded]
    assert reader.events == [(kind, data) for _, kind, data in recorded]
    whole = Reader()
    take(whole, frames(read(client, address(execution))[1]))
    assert reader == whole


def test_reader_arrives_at_what_was_said(eventful, ada, login, read):
    reader = Reader()
    take(reader, frames(read(login(ada), address(eventful[0]))[1]))
    assert reader.text == "\n\n".join(EVENTFUL_TEXT)
    assert reader.final["answer"] == "The end."


def test_events_that_are_gone(eventful, ada, login, read):
    """The end is told all the same."""
    execution, _ = eventful
    ExecutionEvent.objects.all().delete()
    client = login(ada)
    for headers in ({}, {"last_event_id": "1-3"}):
        (told,) = sent(read(client, address(execution), **headers)[1])
        assert (told[0], told[1], told[2]["answer"]) == (None, "final", "The end.")


# Who may watch


def test_nobody_elses(eventful, login, read, django_user_model, grant):
    execution, recorded = eventful
    other = django_user_model.objects.create_user("bob", "bob@example.com", "secret")
    staff = django_user_model.objects.create_user("eve", "eve@example.com", "secret", is_staff=True)
    for user in (other, staff):
        response, _ = read(login(user), address(execution))
        assert response.status_code == 404
        assert response.json() == {"detail": "There is no such run.", "code": "not_found"}
    grant(staff, "retinue.view_agentexecution")
    assert sent(read(login(staff), address(execution))[1]) == recorded


def test_logged_out(eventful, login, read):
    response, _ = read(login(), address(eventful[0]))
    assert response.status_code == 401
    assert response.json() == {"detail": "Log in to see this.", "code": "not_authenticated"}


@pytest.mark.parametrize("loss", ["logout", "password", "inactive", "permission"])
def test_who_may_no_more_is_told_no_more(eventful, login, monkeypatch, django_user_model, grant, loss):
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.0)
    execution, _ = eventful
    AgentExecution.objects.update(status="running", completed_at=None)
    ExecutionEvent.objects.filter(kind="final").delete()
    staff = django_user_model.objects.create_user("eve", "eve@example.com", "secret")
    grant(staff, "retinue.view_agentexecution")
    client = login(staff)

    async def stop():
        match loss:
            case "logout":
                await client.alogout()
            case "password":
                staff.set_password("other")
                await staff.asave()
            case "inactive":
                await django_user_model.objects.aupdate(is_active=False)
            case "permission":
                await staff.user_permissions.aclear()

    async def watched():
        stream = aiter(await client.get(address(execution)))
        async with asyncio.timeout(WAIT_SECONDS):
            before = [await anext(stream) for _ in range(3)]
            await stop()
            return before, [frame async for frame in stream]

    before, after = async_to_sync(watched)()
    assert (len(before), after) == (3, [])


def as_guest(key):
    client = AsyncClient()

    async def remember():
        session = await client.asession()
        session[GUEST_KEY] = key
        await session.asave()

    async_to_sync(remember)()
    return client


def test_guest_sees_his_own(eventful, read):
    execution, recorded = eventful
    AgentExecution.objects.update(user=None, principal_type="guest", principal_key="g1")
    assert sent(read(as_guest("g1"), address(execution))[1]) == recorded
    assert read(as_guest("g2"), address(execution))[0].status_code == 404


def test_guest_whose_key_is_a_users(eventful, ada, read):
    assert read(as_guest(str(ada.pk)), address(eventful[0]))[0].status_code == 404


def test_delegated_run_has_no_stream(eventful, ada, login, read):
    execution, _ = eventful
    child = AgentExecution.objects.create(
        agent_name="helper",
        principal_type="user",
        principal_key=str(ada.pk),
        parent=execution,
        root=execution,
        path="a",
    )
    assert read(login(ada), address(child))[0].status_code == 404


# Without an ASGI server


def test_under_wsgi(eventful, ada, client):
    execution, recorded = eventful
    client.force_login(ada)
    response = client.get(address(execution), headers={"last-event-id": "3-3"})
    assert not response.is_async
    assert sent(b"".join(response)) == recorded[-2:]
