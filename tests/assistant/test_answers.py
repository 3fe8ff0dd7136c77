"""One message and its answer: shown, stopped, rated, decided about."""

import pytest

from retinue import AUTHENTICATED, DjangoAgent
from retinue.agents.registry import registered
from retinue.approvals.models import Approval
from retinue.executions.models import AgentExecution
from retinue.testing import run_queued
from retinue.types import Principal
from tests.assistant.conftest import Browser
from tests.scripted import call, returned, scripted


@pytest.fixture
def waiting(ada):
    """A call of Ada's that waits for a decision."""
    agent = DjangoAgent(
        "careful", permission=AUTHENTICATED, model=scripted([call("pay", amount=5)], lambda m: str(returned(m)))
    )

    @agent.tool_plain(approval=True)
    def pay(amount: int) -> str:
        return f"paid {amount}"

    with registered(agent):
        agent.enqueue("Pay", user=ada)
        run_queued()
        yield Approval.objects.get()


@pytest.mark.parametrize(("query", "is_page"), [({}, True), ({"fragment": ""}, False)])
def test_turn_on_a_page_of_its_own_and_as_a_piece_of_one(browser, talk, ada, query, is_page):
    execution = talk(ada, "Hello").executions.get()
    response = browser.get("execution_detail", execution.pk, **query)
    text = response.content.decode()
    assert (response.status_code, response.context["turn"].id) == (200, execution.pk)
    assert "You said: Hello" in text
    assert ("<html" in text, f'href="/ai/session/{execution.session_id}/"' in text) == (is_page, is_page)


@pytest.mark.parametrize("of_a_session", [True, False])
def test_page_of_an_earlier_version_or_of_no_conversation(browser, talk, ada, assistant, of_a_session):
    if of_a_session:
        session = talk(ada, "Helo")
        old = session.executions.get()
        browser.send("edit", old.pk, prompt="Hello")
        says = "This is an earlier version: the message was sent or answered again."
    else:
        old = assistant.enqueue("Helo", user=ada)
        says = "This message is in no conversation."
    run_queued()
    text = browser.get("execution_detail", old.pk).content.decode()
    assert (says in text, "You said: Helo" in text) == (True, True)
    assert 'data-testid="composer"' not in text
    assert f'href="/ai/executions/{old.pk}/"' in browser.get("history").content.decode()


def test_stopped(browser, ada, assistant):
    execution = assistant.enqueue("Hello", user=ada, stream=True)
    for _ in range(2):
        response = browser.send("stop", execution.pk)
        assert (response.status_code, response.json()) == (
            200,
            {"query_id": str(execution.pk), "status": "cancelled"},
        )


def test_answer_that_is_there_stays(browser, talk, ada):
    session = talk(ada, "Hello")
    response = browser.post("stop", session.executions.get().pk)
    assert response["Location"] == f"/ai/session/{session.pk}/"
    assert session.executions.get().status == "completed"


def test_rated_and_taken_back(browser, talk, ada):
    execution = talk(ada, "Hello").executions.get()
    for word, note, rating, kept in (("up", "Good.", 1, "Good."), ("down", "", -1, ""), ("clear", "x", None, "")):
        response = browser.send("rate", execution.pk, rating=word, note=note)
        assert response.json() == {"query_id": str(execution.pk), "rating": rating, "note": kept}
        execution.refresh_from_db()
        assert (execution.rating, execution.rating_note) == (rating, kept)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "The rating is “up”, “down” or “clear”."),
        ({"rating": "7"}, "The rating is “up”, “down” or “clear”."),
        ({"rating": "up", "note": "x" * 1001}, "The note has more than 1000 characters."),
    ],
)
def test_rating_is_up_or_down(browser, talk, ada, data, sentence):
    response = browser.send("rate", talk(ada, "Hello").executions.get().pk, **data)
    assert (response.status_code, response.json()["detail"]) == (400, sentence)


def test_answer_on_its_way_is_not_rated(browser, ada, assistant):
    response = browser.send("rate", assistant.enqueue("Hello", user=ada).pk, rating="up")
    assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")


# --- decisions


def test_approved(browser, waiting):
    response = browser.send("decide", waiting.pk, decision="approve")
    assert response.json() == {"id": str(waiting.pk), "status": "approved"}
    assert [ran.output_data for ran in run_queued()] == ["['paid 5']"]
    again = browser.send("decide", waiting.pk, decision="approve")
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")


@pytest.mark.parametrize("arguments", [{"amount": 7}, '{"amount": 7}'])
def test_approved_with_other_arguments(browser, waiting, arguments):
    browser.send("decide", waiting.pk, decision="approve", arguments=arguments)
    assert [ran.output_data for ran in run_queued()] == ["['paid 7']"]


@pytest.mark.parametrize("arguments", [{"amount": "much"}, [7], 7])
def test_arguments_are_checked(browser, waiting, arguments):
    response = browser.send("decide", waiting.pk, decision="approve", arguments=arguments)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_arguments")


def test_denied_with_a_note(browser, waiting):
    response = browser.post("decide", waiting.pk, decision="deny", note="Too much.")
    waiting.refresh_from_db()
    assert (response["Location"], waiting.status, waiting.note) == (
        f"/ai/executions/{waiting.execution_id}/",
        "denied",
        "Too much.",
    )


def test_who_decided_is_called_by_his_user_name(browser, ada, waiting, monkeypatch):
    monkeypatch.setattr(type(ada), "__str__", lambda user: user.email)
    browser.post("decide", waiting.pk, decision="deny", note="Too much.")
    text = browser.get("execution_detail", waiting.execution_id).content.decode()
    assert '<p class="rt-quiet">Denied: ada – Too much.</p>' in text


def test_decision_is_one_of_two(browser, waiting):
    response = browser.send("decide", waiting.pk, decision="maybe")
    assert (response.status_code, response.json()["detail"]) == (400, "The decision is “approve” or “deny”.")


def test_run_of_a_guest_is_decided_by_others(people, grant, waiting):
    guest = Principal.guest("somebody")
    AgentExecution.objects.update(principal_type=guest.type, principal_key=guest.key, user=None)
    refused = Browser(guest="somebody").send("decide", waiting.pk, decision="approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "decision_not_allowed")
    grant(staff := people("clara"), "retinue.decide_approval")
    assert Browser(staff).send("decide", waiting.pk, decision="approve").json()["status"] == "approved"
