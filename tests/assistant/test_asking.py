"""`ask/`, and messages that are edited or answered anew."""

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from pydantic_ai import UsageLimits

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.approvals.models import Approval
from retinue.assistant.views import asking
from retinue.executions.models import AgentExecution
from retinue.http.principal import GUEST_KEY
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.testing import run_queued
from retinue.types import Principal
from retinue.workers.worker import Worker
from tests.assistant.conftest import Browser
from tests.scripted import call, returned, scripted


@contextmanager
def working():
    """A worker for the time of a block."""
    worker = Worker(concurrency=10)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def page(session_id):
    return reverse("ai_assistant:session_detail", args=[session_id])


# --- with a script


def test_answers_at_once_with_where_to_watch(browser, ada, assistant):
    response = browser.send("ask", prompt="Hello", context_allocation=100)
    execution, session = AgentExecution.objects.get(), AISession.objects.get()
    assert response.status_code == 202
    assert response.json() == {
        "query_id": str(execution.pk),
        "session_id": str(session.pk),
        "status": "queued",
        "events": f"/ai/executions/{execution.pk}/events/",
        "turn": f"/ai/executions/{execution.pk}/?fragment",
        "session": f"/ai/session/{session.pk}/",
    }
    assert (execution.stream, execution.session, execution.agent_name) == (True, session, "assistant")
    assert execution.given["options"]["max_credits"] == "100"
    assert (session.principal, session.title) == (Principal.of(ada), "Hello")


def test_session_goes_on(browser, assistant):
    first = browser.send("ask", prompt="One").json()
    second = browser.send("ask", prompt="Two", session_id=first["session_id"]).json()
    assert second["session_id"] == first["session_id"]
    assert [ran.output_data.strip() for ran in run_queued()] == ["You said: One", "You said: Two"]


def test_any_agent_that_the_user_may_run(browser, ada, grant):
    assert browser.send("ask", prompt="Hello", agent="clerk").status_code == 202
    refused = browser.send("ask", prompt="Hello", agent="warden")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    grant(ada, "shop.view_product")
    assert browser.send("ask", prompt="Hello", agent="warden").status_code == 202
    unknown = browser.send("ask", prompt="Hello", agent="nobody")
    assert unknown.status_code == 404
    assert unknown.json() == {"detail": "There is no agent of that name.", "code": "unknown_agent"}
    assert sorted(AISession.objects.values_list("agent_name", flat=True)) == ["clerk", "warden"]


def test_session_is_with_its_agent(browser, ada):
    session = start_session(Principal.of(ada), "clerk")
    mine = {"session_id": str(session.pk)}
    assert browser.send("ask", prompt="Hello", **mine).status_code == 202
    assert AgentExecution.objects.get().agent_name == "clerk"
    refused = browser.send("ask", prompt="Hello", agent="assistant", **mine)
    assert (refused.status_code, refused.json()["detail"]) == (400, "This session is with another agent.")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"prompt": ""}, "Missing prompt"),
        ({"context_allocation": 55}, "A question is allowed 10 to 500 in steps of 10."),
        ({"session_id": "mine"}, "The id of a session is a UUID."),
        ({"policy": "shout"}, "The policy is enqueue, reject or interrupt."),
        ({"replaces": "it"}, "The id of a message is a UUID."),
        ({"replaces": str(uuid4())}, "There is no such message."),
    ],
)
def test_what_is_wrong_is_said(browser, assistant, data, sentence):
    response = browser.send("ask", **{"prompt": "Hello", **data})
    assert (response.status_code, response.json()) == (400, {"detail": sentence, "code": "invalid_input"})
    assert not AISession.objects.exists()


def test_double_click_is_one_message(browser, assistant):
    sent = {"prompt": "Hello", "idempotency_key": "page-1"}
    first, second = browser.send("ask", **sent).json(), browser.send("ask", **sent).json()
    assert first == second
    assert (AgentExecution.objects.count(), AISession.objects.count()) == (1, 1)
    other = browser.send("ask", **{**sent, "prompt": "Something else"}).json()
    assert other["query_id"] != first["query_id"]


def test_message_whose_conversation_was_deleted_since(browser, assistant):
    sent = {"prompt": "Hello", "idempotency_key": "page-1"}
    first = browser.send("ask", **sent).json()
    browser.send("delete_session", first["session_id"])
    again = browser.send("ask", **sent).json()
    page = f"/ai/executions/{first['query_id']}/"
    assert again == {**first, "session_id": None, "session": page, "status": "cancelled"}
    assert browser.post("ask", **sent)["Location"] == page


def test_policy_of_a_message(browser, assistant):
    first = browser.send("ask", prompt="One").json()
    mine = {"session_id": first["session_id"]}
    busy = browser.send("ask", prompt="Two", policy="reject", **mine)
    assert (busy.status_code, busy.json()["code"]) == (409, "session_busy")
    assert browser.send("ask", prompt="Three", policy="interrupt", **mine).status_code == 202
    found = AgentExecution.objects.values_list("input_prompt", "status").order_by("created_at")
    assert list(found) == [("One", "cancelled"), ("Three", "queued")]


def test_foreign_and_closed_sessions_are_errors(browser, people, ada, assistant):
    foreign = start_session(Principal.of(people("bob")), "assistant")
    closed = start_session(Principal.of(ada), "assistant")
    AISession.objects.filter(pk=closed.pk).update(is_active=False)
    for session, status, code in ((foreign, 404, "unknown_session"), (closed, 409, "session_closed")):
        response = browser.send("ask", prompt="Hello", session_id=str(session.pk))
        assert (response.status_code, response.json()["code"]) == (status, code)
    assert not AgentExecution.objects.exists()


def test_without_a_token_is_refused(ada, assistant):
    browser = Browser(ada, enforce_csrf_checks=True)
    assert browser.send("ask", prompt="Hello").status_code == 403
    assert browser.post("ask", prompt="Hello").status_code == 403


# --- guests


def test_stranger_becomes_a_guest(db, guide, settings):
    settings.RETINUE = {"GUEST_AGENTS": ["guide"]}
    browser = Browser()
    first = browser.send("ask", prompt="Hello", agent="guide").json()
    key = browser.client.session[GUEST_KEY]
    execution = AgentExecution.objects.get()
    assert (execution.principal, execution.user) == (Principal.guest(key), None)
    second = browser.send("ask", prompt="And?", session_id=first["session_id"])
    assert (second.status_code, second.json()["session_id"]) == (202, first["session_id"])
    assert browser.client.session[GUEST_KEY] == key
    assert browser.get("session_detail", first["session_id"]).status_code == 200
    assert Browser(guest="another").get("session_detail", first["session_id"]).status_code == 404


@pytest.mark.parametrize("guest", ["", "somebody"])
@pytest.mark.parametrize("agent", ["", "assistant", "clerk", "nobody"])
def test_guests_are_asked_to_log_in_for_other_agents(db, guide, settings, guest, agent):
    settings.RETINUE = {"GUEST_AGENTS": ["guide", "clerk"]}
    browser = Browser(guest=guest)
    refused = browser.send("ask", prompt="Hello", agent=agent)
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    sent = browser.post("ask", prompt="Hello", agent=agent, next="/shop/")
    assert (sent.status_code, sent["Location"]) == (302, "/accounts/login/?next=/shop/")
    assert not AgentExecution.objects.exists()


def test_agent_that_the_site_takes_from_guests_is_taken_from_its_sessions(db, guide, settings):
    session = start_session(Principal.guest("somebody"), "guide")
    response = Browser(guest="somebody").send("ask", prompt="Hello", session_id=str(session.pk))
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


# --- without a script


def test_plain_form_waits_for_the_answer(browser, assistant):
    with working():
        response = browser.post("ask", prompt="Hello")
    execution = AgentExecution.objects.get()
    assert (execution.status, execution.output_data.strip()) == ("completed", "You said: Hello")
    assert (response.status_code, response["Location"]) == (302, page(execution.session_id))


def test_plain_form_goes_back_to_its_page(browser, assistant):
    with working():
        assert browser.post("ask", prompt="Hello", next="/products/?page=2")["Location"] == "/products/?page=2"
        elsewhere = browser.post("ask", prompt="Hello", next="https://evil.example/")["Location"]
    assert elsewhere == page(AgentExecution.objects.latest("created_at").session_id)


def test_plain_form_does_not_wait_for_a_person(browser):
    agent = DjangoAgent("careful", permission=AUTHENTICATED, model=scripted([call("pay")], "paid"))

    @agent.tool_plain(approval=True)
    def pay() -> str:
        return "paid"

    with registered(agent), working():
        response = browser.post("ask", prompt="Pay", agent="careful")
    assert response["Location"] == page(Approval.objects.get().execution.session_id)


def test_plain_form_says_that_the_answer_takes_longer(browser, assistant, monkeypatch):
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.05)
    response = browser.post("ask", prompt="Hello")
    assert response["Location"] == page(AISession.objects.get().pk)
    said = [str(message) for message in get_messages(response.wsgi_request)]
    assert said == ["The answer takes longer; it goes on without you. Load the page again to see it."]


def test_plain_form_keeps_what_was_typed(browser, talk, ada):
    session = talk(ada, "Hello")
    for place, template in (({}, "dashboard"), ({"session_id": str(session.pk)}, "session_detail")):
        response = browser.post("ask", prompt="Long thoughts", context_allocation=55, **place)
        assert response.status_code == 400
        assert response.templates[0].name == f"retinue_assistant/{template}.html"
        form = response.context["form"]
        assert form["prompt"].value() == "Long thoughts"
        assert form.errors == {"context_allocation": ["A question is allowed 10 to 500 in steps of 10."]}


def test_plain_form_says_what_the_site_refuses(browser, ada, assistant):
    session = start_session(Principal.of(ada), "assistant")
    AISession.objects.filter(pk=session.pk).update(is_active=False)
    response = browser.post("ask", prompt="Hello", session_id=str(session.pk))
    closed = "The session is closed: it can be read, but takes no more messages."
    assert (response.status_code, response.context["form"].non_field_errors()) == (409, [closed])
    elsewhere = browser.post("ask", prompt="Hello", session_id=str(session.pk), next="/shop/")
    assert (elsewhere.status_code, elsewhere["Location"]) == (302, "/shop/")
    assert [str(message) for message in get_messages(elsewhere.wsgi_request)] == [closed]


# --- once more


def test_last_message_is_answered_anew(browser, talk, ada):
    session = talk(ada, "One", "Two", max_credits=70)
    first, second = session.executions.order_by("created_at")
    response = browser.send("regenerate", second.pk)
    assert response.status_code == 202
    fresh = AgentExecution.objects.get(pk=response.json()["query_id"])
    assert (fresh.input_prompt, fresh.replaces, fresh.session, fresh.stream) == ("Two", second, session, True)
    assert fresh.given["options"]["max_credits"] == "70"
    refused = browser.send("regenerate", first.pk)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_last_message_is_edited_while_it_runs(browser, assistant):
    sent = browser.send("ask", prompt="Onne").json()
    response = browser.send("edit", sent["query_id"], prompt="One")
    assert response.status_code == 202
    found = AgentExecution.objects.values_list("input_prompt", "status").order_by("created_at")
    assert list(found) == [("Onne", "cancelled"), ("One", "queued")]
    assert browser.send("edit", response.json()["query_id"], prompt="").json()["detail"] == "Missing prompt"


def test_message_without_a_session_is_not_answered_anew(browser, ada, assistant):
    execution = assistant.enqueue("Hello", user=ada)
    response = browser.send("regenerate", execution.pk)
    assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")


def test_plain_forms_wait_for_the_new_answer(browser, talk, ada):
    session = talk(ada, "One")
    with working():
        edited = browser.post("edit", session.executions.get().pk, prompt="Two")
        last = session.executions.get(replaced_by=None)
        again = browser.post("regenerate", last.pk)
    assert (edited["Location"], again["Location"]) == (page(session.pk), page(session.pk))
    answers = session.executions.order_by("created_at").values_list("output_data", flat=True)
    assert [answer.strip() for answer in answers] == ["You said: One", "You said: Two", "You said: Two"]


@dataclass(kw_only=True)
class Branch(DjangoDeps):
    shop: str


@pytest.fixture
def porter():
    """An agent that says where it is and what it was told, with deps that cannot be made of nothing."""
    agent = DjangoAgent(
        "porter",
        deps_type=Branch,
        permission=AUTHENTICATED,
        cache=60,
        model=scripted(*[[call("where")], lambda messages: " ".join(returned(messages))] * 3),
    )

    @agent.tool(effects="none")
    def where(ctx: RunContext[Branch]) -> str:
        return f"{ctx.deps.shop} {ctx.deps.context}"

    with registered(agent):
        yield agent


def with_all_there_is(agent, user, **options):
    """A message, and what it was sent with."""
    session = start_session(Principal.of(user), agent.name, context={"floor": 1})
    return agent.enqueue(
        "Where?",
        session=session,
        deps=Branch(user_id=user.pk, shop="north", context={"shelf": 7}),
        queue="slow",
        priority=3,
        **options,
    )


OPTIONS = {
    "timeout": 20,
    "max_cost": Decimal("0.5"),
    "max_credits": 30,
    "model_settings": {"temperature": 0.5},
    "usage_limits": UsageLimits(request_limit=5),
}


@pytest.mark.parametrize(("name", "fields", "cache"), [("regenerate", {}, False), ("edit", {"prompt": "And now?"}, 60)])
def test_new_answer_is_given_what_the_first_was(browser, ada, porter, name, fields, cache):
    first = with_all_there_is(porter, ada, **OPTIONS, cache=60)
    run_queued()
    response = browser.send(name, first.pk, **fields)
    assert response.status_code == 202
    fresh = AgentExecution.objects.get(pk=response.json()["query_id"])
    assert fresh.input_prompt == fields.get("prompt", "Where?")
    assert fresh.given["deps"] == first.given["deps"]
    assert fresh.given["options"] == {**first.given["options"], "cache": cache}
    assert (fresh.queue, fresh.priority) == ("slow", 3)
    (ran,) = run_queued()
    assert ran.output_data.strip() == "north {'floor': 1, 'shelf': 7}"


def test_what_was_sent_with_a_model_of_a_programs_own_is_not_answered_anew(browser, ada, assistant):
    session = start_session(Principal.of(ada), "assistant")
    ran = assistant.run_sync("Hello", user=ada, session=session, model=scripted("Hi.")).execution
    refused = browser.send("regenerate", ran.pk)
    sentence = "A program answered this message with a model of its own: it cannot be asked again."
    assert (refused.status_code, refused.json()) == (400, {"detail": sentence, "code": "invalid_input"})


def test_what_was_sent_to_an_agent_that_took_something_else(browser, ada, porter, guide):
    first = with_all_there_is(porter, ada)
    AgentExecution.objects.filter(pk=first.pk).update(agent_name="guide")
    refused = browser.send("regenerate", first.pk)
    sentence = "What this message was sent with does not fit the agent any more."
    assert (refused.status_code, refused.json()) == (400, {"detail": sentence, "code": "invalid_input"})
