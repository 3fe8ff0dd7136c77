"""`query/sync/` and `query/async/`: a question and its answer in one request."""

from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from retinue import AUTHENTICATED, DjangoAgent
from retinue.agents.registry import registered
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.budgets.accounts import adjust
from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.testing import allow_model_requests, run_queued
from retinue.types import Principal
from tests.assistant.conftest import JSON, Browser
from tests.priced import PRICES, priced
from tests.providers.prsm import server as prsm
from tests.scripted import call, scripted

BOTH = pytest.mark.parametrize("name", ["query_sync", "query_async"])


@pytest.fixture
def oracle(settings):
    """A site's own assistant, whose every answer costs the same."""
    settings.RETINUE = {"PRICES": PRICES, "ASSISTANT": "oracle"}
    agent = DjangoAgent("oracle", permission=AUTHENTICATED, model=priced("forty-two"))
    with registered(agent):
        yield agent


@BOTH
@pytest.mark.parametrize("way", ["form", "json"])
def test_answers_with_exactly_these_fields(browser, oracle, name, way):
    ask = browser.post if way == "form" else browser.send
    response = ask(name, prompt="The answer?", context_allocation=60)
    execution = AgentExecution.objects.get()
    assert response.status_code == 200
    assert response.json() == {
        "query_id": str(execution.pk),
        "answer": "forty-two",
        "cost": 0.58,
        "unit": "credits",
        "processing_time": execution.execution_time,
        "quality_score": None,
        "status": "completed",
        "from_cache": False,
        "session_id": None,
    }
    assert isinstance(response.json()["processing_time"], float)
    assert execution.given["options"]["max_credits"] == "60"


def test_allocation_is_fifty_where_none_is_given(browser, assistant):
    browser.send("query_async", prompt="Hello")
    assert AgentExecution.objects.get().given["options"]["max_credits"] == "50"


def test_unit_is_what_the_site_calls_its_credits(browser, assistant, settings):
    settings.RETINUE = {"CREDITS_NAME": "FTNS"}
    assert browser.send("query_async", prompt="Hello").json()["unit"] == "FTNS"


def test_only_sync_answers_from_the_cache(browser, oracle):
    first, second = (browser.send("query_sync", prompt="The answer?").json() for _ in range(2))
    assert (first["from_cache"], first["cost"]) == (False, 0.58)
    assert (second["from_cache"], second["cost"], second["answer"]) == (True, 0.0, "forty-two")
    third = browser.send("query_async", prompt="The answer?").json()
    assert (third["from_cache"], third["cost"]) == (False, 0.58)


@BOTH
def test_prsm_is_told_the_allocation_as_a_whole_number(browser, settings, name):
    with prsm.serving() as service, allow_model_requests():
        settings.RETINUE = {"MODEL": "prsm:default", "PRSM": {"BASE_URL": service.url, "API_KEY": prsm.KEY}}
        for way in (browser.send, browser.post):
            response = way(name, prompt=f"Hello {way.__name__}", context_allocation=120)
            assert (response.status_code, service.last["context_allocation"]) == (200, 120)
            assert type(service.last["context_allocation"]) is int


@BOTH
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Missing prompt"),
        ({"prompt": ""}, "Missing prompt"),
        ({"prompt": "   "}, "Missing prompt"),
        ({"prompt": None}, "Missing prompt"),
        ({"prompt": 7}, "“Prompt” is a text."),
        ({"prompt": "x" * 2001}, "The prompt has 2001 characters; at most 2000 are allowed."),
        ({"prompt": "a\0b"}, "Null characters are not allowed."),
        ({"prompt": "x", "context_allocation": 5}, "A question is allowed 10 to 500 in steps of 10."),
        ({"prompt": "x", "context_allocation": 55}, "A question is allowed 10 to 500 in steps of 10."),
        ({"prompt": "x", "context_allocation": 501}, "A question is allowed 10 to 500 in steps of 10."),
        ({"prompt": "x", "context_allocation": "much"}, "The allocation is a whole number."),
        ({"prompt": "x", "session_id": "mine"}, "The id of a session is a UUID."),
    ],
)
def test_what_is_wrong_is_said(browser, assistant, name, data, sentence):
    response = browser.send(name, **data)
    assert (response.status_code, response.json()) == (400, {"error": sentence, "code": "invalid_input"})
    assert not AgentExecution.objects.exists()


@BOTH
@pytest.mark.parametrize(("prompt", "allocation"), [("x" * 2000, 10), ("x\r\n" * 1000, 500)])
def test_limits_themselves_are_allowed(browser, assistant, name, prompt, allocation):
    assert browser.post(name, prompt=prompt, context_allocation=allocation).status_code == 200


@BOTH
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{", "The body is not JSON."),
        ('{"prompt": "\\ud800"}', "The body is not JSON."),
        ('{"prompt": NaN}', "The body is not JSON."),
        ("[" * 100_000, "The body is not JSON."),
        ("[]", "The body is not a JSON object."),
    ],
)
def test_what_is_not_json_is_refused(browser, assistant, name, body, sentence):
    response = browser.client.post(reverse(f"ai_assistant:{name}"), body, content_type=JSON)
    assert (response.status_code, response.json()) == (400, {"error": sentence, "code": "invalid_input"})


@BOTH
def test_logged_out_is_refused(db, name):
    response = Browser().send(name, prompt="Hello")
    assert response.status_code == 401
    assert response.json() == {"error": "You are not logged in.", "code": "not_authenticated"}


@BOTH
def test_without_a_token_is_refused(ada, assistant, name):
    browser = Browser(ada, enforce_csrf_checks=True)
    for response in (browser.send(name, prompt="Hello"), browser.post(name, prompt="Hello")):
        assert response.status_code == 403
        assert response.json() == {
            "error": "The CSRF token is missing or out of date: "
            "send that of a page of this site, as X-CSRFTOKEN or in the form.",
            "code": "csrf_failed",
        }
    assert not AgentExecution.objects.exists()


@BOTH
def test_who_is_logged_out_needs_no_token_to_hear_it(db, assistant, name):
    response = Browser(enforce_csrf_checks=True).send(name, prompt="Hello")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


@BOTH
def test_wrong_method_is_refused(browser, name):
    response = browser.get(name)
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response.json() == {"error": "This address takes POST.", "code": "method_not_allowed"}


@BOTH
def test_session_goes_on(browser, ada, assistant, name):
    session = start_session(Principal.of(ada), "assistant")
    answers = [browser.send(name, prompt=text, session_id=str(session.pk)).json() for text in ("One", "Two")]
    assert [answer["answer"] for answer in answers] == ["You said: One", "You said: Two"]
    assert {answer["session_id"] for answer in answers} == {str(session.pk)}
    assert [row.input_prompt for row in session.executions.order_by("created_at")] == ["One", "Two"]


@BOTH
def test_use_session_starts_one(browser, ada, assistant, name):
    answer = browser.send(name, prompt="Hello", use_session=True).json()
    session = AISession.objects.get()
    assert (answer["session_id"], session.principal) == (str(session.pk), Principal.of(ada))
    assert browser.send(name, prompt="Hello", use_session=False).json()["session_id"] is None


@BOTH
def test_foreign_unknown_and_closed_sessions_are_errors(browser, people, ada, assistant, name):
    foreign = start_session(Principal.of(people("bob")), "assistant")
    closed = start_session(Principal.of(ada), "assistant")
    AISession.objects.filter(pk=closed.pk).update(is_active=False)
    for session_id, status, code in (
        (foreign.pk, 404, "unknown_session"),
        (uuid4(), 404, "unknown_session"),
        (closed.pk, 409, "session_closed"),
    ):
        response = browser.send(name, prompt="Hello", session_id=str(session_id))
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.json()["error"].endswith(".")
    assert not AgentExecution.objects.exists()


@BOTH
def test_run_that_waits_is_accepted(browser, settings, name):
    agent = DjangoAgent("careful", permission=AUTHENTICATED, model=scripted([call("pay")], "paid"))

    @agent.tool_plain(approval=True)
    def pay() -> str:
        return "paid"

    settings.RETINUE = {"ASSISTANT": "careful"}
    with registered(agent):
        response = browser.send(name, prompt="Pay")
    found = response.json()
    assert (response.status_code, found["status"], found["answer"]) == (202, "waiting", None)
    assert Approval.objects.get().execution_id == UUID(found["query_id"])


@BOTH
def test_message_after_one_that_waits_for_a_person_is_accepted(browser, settings, name):
    agent = DjangoAgent("careful", permission=AUTHENTICATED, model=scripted([call("pay")], "paid", "thanked"))

    @agent.tool_plain(approval=True)
    def pay() -> str:
        return "paid"

    settings.RETINUE = {"ASSISTANT": "careful"}
    with registered(agent):
        session_id = browser.send(name, prompt="Pay", use_session=True).json()["session_id"]
        response = browser.send(name, prompt="Thank you", session_id=session_id)
        found = response.json()
        assert (response.status_code, found["status"], found["answer"]) == (202, "queued", None)
        approve(Approval.objects.get(), by=get_user_model().objects.create_superuser("root"))
        assert [execution.answer for execution in run_queued()] == ["paid", "thanked"]


@BOTH
def test_failed_run_says_which(browser, assistant, settings, name):
    def broken(messages):
        raise RuntimeError("a secret")

    with assistant.override(model=scripted(broken)):
        response = browser.send(name, prompt="Hello")
    execution = AgentExecution.objects.get()
    assert response.status_code == 500
    assert response.json() == {
        "error": "The run stopped with an unexpected error (RuntimeError); the log has the details.",
        "code": "error",
        "query_id": str(execution.pk),
    }


@BOTH
def test_used_up_budget_is_said(browser, ada, oracle, name):
    adjust(ada, 1000, reason="test")
    response = browser.send(name, prompt="Hello", use_session=True)
    assert (response.status_code, response.json()["code"]) == (402, "budget_exceeded")
    assert not AISession.objects.exists()


@BOTH
def test_agent_that_may_not_be_run(browser, settings, name):
    settings.RETINUE = {"ASSISTANT": "warden"}
    response = browser.send(name, prompt="Hello")
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


def test_unknown_agent_does_not_tell_of_others(browser, settings):
    settings.RETINUE = {"ASSISTANT": "nobody"}
    response = browser.send("query_sync", prompt="Hello")
    assert response.status_code == 404
    assert response.json() == {"error": "There is no agent of that name.", "code": "unknown_agent"}


def test_token_of_the_page_is_enough(ada, assistant):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    client.get("/admin/login/")
    token = client.cookies["csrftoken"].value
    url = reverse("ai_assistant:query_async")
    response = client.post(url, {"prompt": "Hello"}, content_type=JSON, headers={"x-csrftoken": token})
    assert response.json()["answer"] == "You said: Hello"
