"""Sessions as a whole: who finds them, what becomes of them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retinue.errors import InvalidInput, SessionClosed, UnknownAgent, UnknownSession
from retinue.executions.models import AgentExecution
from retinue.sessions.export import to_json
from retinue.sessions.lifecycle import deactivate_idle, delete, find_session, rename, start_session
from retinue.sessions.models import AISession
from retinue.sessions.turns import title_of
from retinue.testing import run_queued
from retinue.types import SYSTEM, Principal, time_ordered_uuid

pytestmark = pytest.mark.django_db(transaction=True)

GUEST = Principal.guest("visitor")


@pytest.fixture
def mine(listener, user):
    return start_session(Principal.of(user), "listener")


def test_session_is_of_whom_it_is_started_for(listener, user):
    for principal, owner in ((Principal.of(user), user), (GUEST, None), (SYSTEM, None)):
        session = start_session(principal, "listener", context={"a": [1]}, policy="reject")
        session.refresh_from_db()
        assert (session.principal, session.user, session.agent_name) == (principal, owner, "listener")
        assert (session.context, session.policy, session.title, session.is_active) == ({"a": [1]}, "reject", "", True)


def test_session_needs_an_agent_a_policy_and_a_context_that_there_are(listener, user):
    principal = Principal.of(user)
    with pytest.raises(UnknownAgent):
        start_session(principal, "listner")
    with pytest.raises(InvalidInput, match="There is no policy 'wait'; there are: enqueue, reject, interrupt"):
        start_session(principal, "listener", policy="wait")
    for context in ({"a": object()}, ["a"]):
        with pytest.raises(InvalidInput, match="an object of JSON values"):
            start_session(principal, "listener", context=context)
    assert not AISession.objects.exists()


def test_only_its_principal_finds_a_session(mine, user):
    mine.is_active = False
    mine.save()
    assert find_session(mine.pk, Principal.of(user)) == find_session(str(mine.pk), Principal.of(user)) == mine
    for session_id, principal in (
        (mine.pk, Principal.guest(str(user.pk))),
        (mine.pk, SYSTEM),
        (time_ordered_uuid(), Principal.of(user)),
        ("no id", Principal.of(user)),
    ):
        with pytest.raises(UnknownSession):
            find_session(session_id, principal)


def test_rename(mine):
    rename(mine, "  Chairs \n and\x00 tables ")
    mine.refresh_from_db()
    assert mine.title == "Chairs and tables"
    for title in (" \n", "x" * 201):
        with pytest.raises(InvalidInput):
            rename(mine, title)
    rename(mine, "x" * 200)


def test_what_was_deleted_meanwhile_is_not_renamed(mine):
    delete(AISession.objects.get())
    with pytest.raises(UnknownSession):
        rename(mine, "Chairs")


def test_delete_stops_what_runs_and_keeps_the_record(listener, mine, user):
    listener.agent.run_sync("one", user=user, session=mine)
    listener.agent.enqueue("two", user=user, session=mine)
    delete(mine)
    assert not AISession.objects.exists()
    assert list(AgentExecution.objects.order_by("created_at").values_list("status", "session")) == [
        ("completed", None),
        ("cancelled", None),
    ]
    with pytest.raises(UnknownSession):
        listener.agent.enqueue("three", user=user, session=mine)


def test_sessions_go_with_their_user_and_the_record_stays(listener, mine, user):
    listener.agent.run_sync("one", user=user, session=mine)
    listener.agent.enqueue("two", user=user, session=mine)
    user.delete()
    run_queued()
    assert not AISession.objects.exists()
    found = AgentExecution.objects.order_by("created_at").values_list("status", "error_code", "user", "session")
    assert list(found) == [("completed", "", None, None), ("failed", "permission_denied", None, None)]


def test_idle_sessions_are_closed_and_keep_everything(listener, user, settings):
    settings.RETINUE = {"SESSION_IDLE_DAYS": 2}
    idle, fresh, answering = (start_session(Principal.of(user), "listener") for _ in range(3))
    listener.agent.run_sync("one", user=user, session=idle)
    listener.agent.enqueue("two", user=user, session=answering)
    long_ago = timezone.now() - timedelta(days=2, seconds=1)
    AISession.objects.filter(pk__in=[idle.pk, answering.pk]).update(updated_at=long_ago)
    AgentExecution.objects.filter(session=idle).update(completed_at=long_ago)
    before = to_json(AISession.objects.get(pk=idle.pk))
    assert deactivate_idle("default") == 1
    assert deactivate_idle("default") == 0
    assert set(AISession.objects.active()) == {fresh, answering}
    assert to_json(AISession.objects.get(pk=idle.pk)) == before
    with pytest.raises(SessionClosed):
        listener.agent.enqueue("more", user=user, session=idle)
    run_queued()
    assert deactivate_idle("default") == 0  # the answer is fresh
    AgentExecution.objects.update(completed_at=long_ago)
    assert deactivate_idle("default") == 1


def test_closing_idle_sessions_is_one_read_where_there_are_none(mine, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert deactivate_idle("default") == 0


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Hello", "Hello"),
        ("  Hello\n\nthere ", "Hello there"),
        ("x" * 60, "x" * 60),
        ("x" * 61, f"{'x' * 60}…"),
        (f"{'x' * 30} {'y' * 29} z", f"{'x' * 30} {'y' * 29}…"),
        (f"{'x' * 30} {'y' * 40}", f"{'x' * 30}…"),
    ],
)
def test_title(prompt, title):
    assert title_of(prompt) == title
