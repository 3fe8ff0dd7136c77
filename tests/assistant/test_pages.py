"""Dashboard, history, sessions: what they show, and with how many queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.types import Principal
from tests.assistant.conftest import Browser


def make(user, number=1, **values):
    """Executions of a user, with nothing behind them."""
    principal = Principal.of(user)
    given = {"agent_name": "assistant", "input_prompt": "Hello", "status": "completed", "output_data": "Hi", **values}
    rows = []
    for _ in range(number):
        row = AgentExecution(user=user, principal_type=principal.type, principal_key=principal.key, **given)
        row.root_id = row.id
        row.save()
        rows.append(row)
    return rows


@pytest.fixture
def count():
    """How many queries a page takes, once everything that is kept is there."""

    def measure(browser, *place, **query):
        browser.get(*place, **query)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert browser.get(*place, **query).status_code == 200
        return len(queries)

    return measure


# --- dashboard


def test_dashboard_counts_in_the_database(browser, ada, people):
    make(ada, 12)
    make(ada, status="failed", error_message="No.")
    make(people("bob"), 3)
    for _ in range(11):
        start_session(Principal.of(ada), "assistant")
    AISession.objects.filter(pk=start_session(Principal.of(ada), "assistant").pk).update(is_active=False)
    context = browser.get("dashboard").context
    assert (context["total_queries"], context["active_sessions"]) == (13, 11)
    assert (len(context["recent_queries"]), len(context["sessions"])) == (10, 10)
    assert context["recent_queries"][0].status == "failed"


def test_dashboard_shows_prompts_cut_at_fifty(browser, ada):
    make(ada, input_prompt="x" * 60)
    text = browser.get("dashboard").content.decode()
    assert "x" * 49 + "…" in text
    assert "x" * 50 not in text


def test_dashboard_has_the_form_and_what_is_left(browser, ada, settings):
    settings.RETINUE = {"CREDITS_NAME": "FTNS"}
    context = browser.get("dashboard").context
    form = context["form"]
    assert form["context_allocation"].value() == 50
    assert form.fields["context_allocation"].help_text == "FTNS tokens to allocate for this query"
    assert form.fields["prompt"].help_text == "Enter your question or request"
    assert form.fields["prompt"].widget.attrs["placeholder"] == "Ask me anything..."
    assert [(quota.unit_name, quota.amounts.available) for quota in context["quotas"]] == [("FTNS", Decimal(1000))]
    assert (
        context["form"]["idempotency_key"].value()
        != browser.get("dashboard").context["form"]["idempotency_key"].value()
    )


def test_dashboard_takes_as_many_queries_for_many_as_for_one(browser, ada, count):
    session = start_session(Principal.of(ada), "assistant")
    make(ada, session=session)
    few = count(browser, "dashboard")
    for _ in range(9):
        make(ada, session=start_session(Principal.of(ada), "assistant"))
    assert count(browser, "dashboard") == few <= 11


# --- history


def test_history_sums_up_what_is_filtered(browser, ada, people):
    make(ada, 30, charge=Decimal("0.1"))
    make(ada, charge=Decimal("0.25"), status="failed", error_message="No.")
    make(ada, charge=None, status="failed")
    make(people("bob"), 5, charge=Decimal(100))
    page = browser.get("history").context
    assert (len(page["page_obj"]), page["page_obj"].paginator.count) == (20, 32)
    assert page["total_cost"] == Decimal("3.25")
    assert len(browser.get("history", page=2).context["page_obj"]) == 12
    failed = browser.get("history", status="failed")
    assert (failed.context["page_obj"].paginator.count, failed.context["total_cost"]) == (2, Decimal("0.25"))
    assert "No." in failed.content.decode()


def test_history_filters(browser, ada, people):
    session = start_session(Principal.of(ada), "assistant")
    foreign = start_session(Principal.of(people("bob")), "assistant")
    make(ada, input_prompt="About lamps", created_at=datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    make(ada, input_prompt="About chairs", created_at=datetime(2026, 3, 2, 0, 0, tzinfo=UTC), session=session)
    make(people("carl"), input_prompt="About lamps", session=foreign)

    def found(**query):
        return [row.input_prompt for row in browser.get("history", **query).context["page_obj"]]

    assert found() == ["About chairs", "About lamps"]
    assert found(text="LAMP") == ["About lamps"]
    assert found(session=session.pk) == ["About chairs"]
    assert found(session=foreign.pk) == found(session=uuid4()) == []
    assert found(since="2026-03-02") == ["About chairs"]
    assert found(until="2026-03-01") == ["About lamps"]
    assert found(since="2026-03-01", until="2026-03-02") == ["About chairs", "About lamps"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "UTC"])
def test_days_are_those_of_the_visitor(browser, ada, settings, zone):
    settings.TIME_ZONE = zone
    midnight = datetime(2026, 3, 2, tzinfo=ZoneInfo(zone))
    make(ada, input_prompt="late", created_at=midnight - timedelta(microseconds=1))
    make(ada, input_prompt="early", created_at=midnight)

    def found(**query):
        return [row.input_prompt for row in browser.get("history", **query).context["page_obj"]]

    assert (found(until="2026-03-01"), found(since="2026-03-02")) == (["late"], ["early"])
    assert found(since="0001-01-02", until="9999-12-30") == ["early", "late"]
    for day in ("0001-01-01", "9999-12-31", "2026-02-30"):
        assert set(browser.get("history", since=day, until=day).context["form"].errors) == {"since", "until"}


def test_history_says_what_is_wrong_with_a_filter(browser, ada):
    make(ada)
    context = browser.get("history", status="best", since="yesterday", session="mine", page="last").context
    assert set(context["form"].errors) == {"status", "since", "session"}
    assert context["page_obj"].paginator.count == 1


def test_history_keeps_its_filters_from_page_to_page(browser, ada):
    make(ada, 21)
    context = browser.get("history", text="Hello", page=2).context
    assert (context["querystring"], context["page_obj"].number) == ("text=Hello&", 2)


def test_history_shows_roots_only(browser, ada):
    (root,) = make(ada)
    child = AgentExecution(agent_name="clerk", principal_type="user", principal_key=str(ada.pk), path="/a", parent=root)
    child.root_id = root.pk
    child.save()
    assert [row.pk for row in browser.get("history").context["page_obj"]] == [root.pk]
    assert browser.get("execution_detail", child.pk).status_code == 404


def test_history_takes_as_many_queries_for_many_as_for_one(browser, ada, count):
    make(ada, session=start_session(Principal.of(ada), "assistant"))
    few = count(browser, "history")
    for _ in range(19):
        make(ada, session=start_session(Principal.of(ada), "assistant"))
    assert count(browser, "history") == few <= 10


# --- sessions


def test_session_list_is_searched_by_title_and_prompt(browser, ada, people):
    lamps = start_session(Principal.of(ada), "assistant")
    AISession.objects.filter(pk=lamps.pk).update(title="Lamps")
    chairs = start_session(Principal.of(ada), "assistant")
    make(ada, input_prompt="Tell me of chairs", session=chairs)
    AISession.objects.filter(pk=start_session(Principal.of(people("bob")), "assistant").pk).update(title="Lamps")

    def found(**query):
        return [session.pk for session in browser.get("session_list", **query).context["page_obj"]]

    assert found() == [chairs.pk, lamps.pk]
    assert found(q="lamp") == [lamps.pk]
    assert found(q="OF CHAIRS") == [chairs.pk]
    assert found(q="tables") == found(q="\0") or found(q="tables") == []


def test_session_list_counts_messages(browser, ada, count):
    session = start_session(Principal.of(ada), "assistant")
    first, second = make(ada, 2, session=session)
    AgentExecution.objects.filter(pk=second.pk).update(replaces=first)
    assert [found.message_count for found in browser.get("session_list").context["page_obj"]] == [1]
    few = count(browser, "session_list")
    for _ in range(30):
        start_session(Principal.of(ada), "assistant")
    assert len(browser.get("session_list").context["page_obj"]) == 20
    assert count(browser, "session_list") == few <= 10


def test_session_shows_its_turns(browser, talk, ada):
    session = talk(ada, "One", "Two")
    context = browser.get("session_detail", session.pk).context
    assert [turn.prompt for turn in context["turns"]] == ["One", "Two"]
    assert [turn.may_change for turn in context["turns"]] == [False, True]
    assert (context["read_only"], context["earlier"]) == (False, "")
    assert context["form"]["session_id"].value() == str(session.pk)


def test_holder_of_the_permission_reads_only(people, grant, talk, ada):
    session = talk(ada, "One")
    grant(staff := people("clara"), "retinue.view_aisession")
    browser = Browser(staff)
    context = browser.get("session_detail", session.pk).context
    (turn,) = context["turns"]
    assert (context["read_only"], turn.is_own, turn.may_change) == (True, False, False)
    assert browser.get("execution_detail", turn.id).context["read_only"] is True
    assert not browser.get("session_list").context["page_obj"].object_list
    assert browser.send("ask", prompt="Hello", session_id=str(session.pk)).status_code == 404


def test_long_session_is_shown_from_its_end(browser, ada, monkeypatch):
    session = start_session(Principal.of(ada), "assistant")
    rows = make(ada, 53, session=session)
    context = browser.get("session_detail", session.pk).context
    assert [turn.id for turn in context["turns"]] == [row.pk for row in rows[3:]]
    assert context["earlier"] == f"/ai/session/{session.pk}/?before={rows[3].pk}"
    earlier = browser.client.get(context["earlier"]).context
    assert [turn.id for turn in earlier["turns"]] == [row.pk for row in rows[:3]]
    assert earlier["earlier"] == ""
    assert not any(turn.is_last for turn in earlier["turns"])
    assert browser.get("session_detail", session.pk, before="nonsense").status_code == 200


def test_session_takes_as_many_queries_for_many_as_for_one(browser, talk, ada, count):
    session = talk(ada, "One")
    few = count(browser, "session_detail", session.pk)
    talk(ada, "Two", "Three", "Four", session=session)
    make(ada, session=session, status="queued")
    assert count(browser, "session_detail", session.pk) == few <= 14


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dashboard", "No conversations yet"),
        ("history", "There are no queries."),
        ("session_list", "There are no conversations yet."),
    ],
)
def test_empty_pages_say_so(browser, name, sentence):
    assert sentence in browser.get(name).content.decode()
