"""Sessions: begun, renamed, deleted, exported."""

import json

import pytest
from django.urls import reverse
from pydantic_ai.messages import ToolCallPart

from retinue import AUTHENTICATED, DjangoAgent
from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.types import Principal
from tests.assistant.conftest import JSON, Browser
from tests.scripted import call, scripted


def test_created_with_a_context(browser, ada):
    response = browser.send("create_session", context={"theme": "lamps"})
    session = AISession.objects.get()
    assert response.status_code == 200
    assert response.json() == {"session_id": str(session.pk), "created_at": session.created_at.isoformat()}
    assert (session.context, session.agent_name, session.principal) == (
        {"theme": "lamps"},
        "assistant",
        Principal.of(ada),
    )


def test_context_reaches_the_agent(browser, assistant):
    session_id = browser.send("create_session", context={"theme": "lamps"}).json()["session_id"]
    query = browser.send("query_async", prompt="Hello", session_id=session_id).json()
    assert AgentExecution.objects.get(pk=query["query_id"]).given["deps"]["context"] == {"theme": "lamps"}


@pytest.mark.parametrize("context", [None, {}])
def test_created_without_a_context(browser, context):
    assert browser.send("create_session", context=context).status_code == 200
    assert AISession.objects.get().context == {}


@pytest.mark.parametrize("context", [[], "x", 7, True])
def test_context_is_an_object(browser, context):
    response = browser.send("create_session", context=context)
    assert (response.status_code, response.json()["error"]) == (400, "The context is a JSON object.")


@pytest.mark.parametrize("context", ['{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', '{"a"'])
def test_context_is_one_that_every_database_takes(browser, context):
    assert browser.post("create_session", context=context).status_code == 302
    for sent in (
        browser.send("create_session", context=context),
        browser.client.post(
            reverse("ai_assistant:create_session"),
            f'{{"context": {context}}}',
            content_type=JSON,
            headers={"accept": JSON},
        ),
    ):
        assert (sent.status_code, sent.json()["code"]) == (400, "invalid_input")
    assert not AISession.objects.exists()


def test_nul_in_a_context_is_kept_out_of_the_database(browser):
    assert browser.send("create_session", context={"a\0": "b\0"}).status_code == 200
    assert AISession.objects.get().context == {"a␀": "b␀"}


@pytest.mark.parametrize(("body", "status"), [('{"context": {}}', 200), ('{"context": []}', 400), ("{", 400)])
def test_who_sends_json_gets_json(browser, body, status):
    """Also who does not say what he accepts."""
    response = browser.client.post(reverse("ai_assistant:create_session"), body, content_type=JSON)
    assert (response.status_code, response["Content-Type"]) == (status, JSON)
    keys = {"session_id", "created_at"} if status == 200 else {"error", "code"}
    assert set(response.json()) == keys


def test_who_sends_json_without_a_token_or_a_user_gets_json(db, ada):
    strange, forged = Browser(), Browser(ada, enforce_csrf_checks=True)
    for client, status, code in ((strange, 401, "not_authenticated"), (forged, 403, "csrf_failed")):
        response = client.client.post(reverse("ai_assistant:create_session"), "{}", content_type=JSON)
        assert (response.status_code, response.json()["code"]) == (status, code)


def test_plain_form_leads_to_the_new_session(browser):
    response = browser.post("create_session", context='{"theme": "lamps"}')
    session = AISession.objects.get()
    assert response["Location"] == f"/ai/session/{session.pk}/"
    assert session.context == {"theme": "lamps"}


def test_renamed(browser, talk, ada):
    session = talk(ada, "Hello")
    response = browser.send("rename_session", session.pk, title="  Of   lamps ")
    assert response.json() == {"session_id": str(session.pk), "title": "Of lamps"}
    assert browser.post("rename_session", session.pk, title="Chairs")["Location"] == f"/ai/session/{session.pk}/"
    session.refresh_from_db()
    assert session.title == "Chairs"


@pytest.mark.parametrize(
    ("title", "sentence"),
    [
        ("", "The title is empty."),
        ("  ", "The title is empty."),
        ("x" * 201, "The title has more than 200 characters."),
        (7, "“title” is a text."),
    ],
)
def test_title_is_a_short_text(browser, talk, ada, title, sentence):
    response = browser.send("rename_session", talk(ada, "Hello").pk, title=title)
    assert (response.status_code, response.json()) == (400, {"detail": sentence, "code": "invalid_input"})


def test_deleted_once_it_is_confirmed(browser, talk, ada):
    session = talk(ada, "Hello")
    page = browser.get("delete_session", session.pk)
    assert (page.status_code, page.context["session"]) == (200, session)
    assert AISession.objects.exists()
    response = browser.post("delete_session", session.pk)
    assert response["Location"] == "/ai/sessions/"
    assert not AISession.objects.exists()
    assert AgentExecution.objects.get().session is None


def test_deleted_by_a_script(browser, talk, ada):
    session = talk(ada, "Hello")
    response = browser.send("delete_session", session.pk)
    assert response.json() == {"session_id": str(session.pk), "deleted": True}
    assert browser.send("delete_session", session.pk).status_code == 404


def test_exported_as_a_file(browser, talk, ada):
    session = talk(ada, "Of lamps")
    markdown = browser.get("export_session", session.pk, "markdown")
    assert markdown["Content-Type"] == "text/markdown; charset=utf-8"
    assert markdown["Content-Disposition"] == 'attachment; filename="of-lamps.md"'
    assert markdown.content.decode().startswith("# Of lamps\n")
    found = browser.get("export_session", session.pk, "json")
    assert found["Content-Type"] == "application/json"
    assert found["Content-Disposition"] == 'attachment; filename="of-lamps.json"'
    assert json.loads(found.content)["turns"][0]["prompt"] == "Of lamps"
    assert browser.get("export_session", session.pk, "pdf").status_code == 404


def test_file_of_a_title_without_letters_is_named_by_its_id(browser, talk, ada):
    session = talk(ada, "灯")
    disposition = browser.get("export_session", session.pk, "json")["Content-Disposition"]
    assert disposition == f'attachment; filename="{session.pk}.json"'


def test_arguments_with_half_a_surrogate_pair_are_shown_and_exported(browser, ada):
    """Some models cut an emoji in two."""
    asked = ToolCallPart("look", '{"where": "\\ud83d"}', "c1")
    agent = DjangoAgent("seer", permission=AUTHENTICATED, model=scripted([asked], [call("look", where="up")], "Seen."))

    @agent.tool_plain(retries=3)
    def look(where: str) -> str:
        return where

    with registered(agent):
        session = start_session(Principal.of(ada), "seer")
        agent.run_sync("Look", user=ada, session=session)
        assert browser.get("session_detail", session.pk).status_code == 200
    exported = browser.get("export_session", session.pk, "json").json()
    assert exported["turns"][0]["tool_calls"][0]["arguments"] == {"where": "\ufffd"}
    assert '"where": "\ufffd"' in browser.get("export_session", session.pk, "markdown").content.decode()
