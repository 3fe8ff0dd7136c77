"""The model as pydantic-ai sees it."""

import asyncio
from decimal import Decimal

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import TextPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.test import TestModel

from retinue.errors import ConfigurationError, InvalidInput
from retinue.providers.prsm import PRSMModel
from retinue.providers.prsm.settings import PRSMSettings
from retinue.runtime.failures import explain
from retinue.testing import allow_model_requests
from tests.providers.prsm.server import (
    ANSWER,
    CHARGE,
    KEY,
    Reply,
    data,
    error,
    guide_answer,
    guide_events,
    nobody,
    node_events,
)


@pytest.fixture(autouse=True)
def allowed():
    with allow_model_requests():
        yield


def model(server, name="default", **options):
    given = {"base_url": server.url, "api_key": KEY, "dialect": server.dialect, "default_timeout": 5, "max_retries": 0}
    return PRSMModel(name, service=PRSMSettings(**{**given, **options}))


def agent(server, name="default", options=None, **more):
    return Agent(model(server, name, **(options or {})), **more)


def test_names(guide):
    found = model(guide)
    assert (found.system, found.model_name, found.model_id) == ("prsm", "default", "prsm:default")
    assert model(guide, "").model_id == "prsm:default"
    assert KEY not in repr(found) and guide.url not in repr(found)


def test_answer_says_what_it_took(guide):
    result = agent(guide).run_sync("What do lamps do?", model_settings={"prsm_user_id": 7, "context_allocation": 120})
    assert result.output == ANSWER
    assert guide.last == {"prompt": "What do lamps do?", "user_id": "7", "context_allocation": 120, "timeout": 5}
    response = result.response
    assert response.parts == [TextPart(ANSWER)]
    assert response.provider_details == {
        "charge": CHARGE,
        "quality_score": 87.0,
        "processing_time": 1.25,
        "query_id": "q-1",
        "model_used": "m-large",
    }
    assert (response.provider_name, response.model_name, response.finish_reason) == ("prsm", "default", "stop")
    assert (response.provider_response_id, response.provider_url) == ("q-1", None)
    assert (response.usage.total_tokens, response.usage.unmeasured_requests, response.usage.cost) == (42, 0, None)


def test_missing_figures_are_unknown(guide):
    guide.say(Reply(body={"final_answer": ANSWER}))
    response = agent(guide, "gpt-4o").run_sync("Why?").response
    assert set(response.provider_details) == {"quality_score", "processing_time", "query_id", "model_used"}
    assert response.provider_details["quality_score"] is None
    assert 0 < response.provider_details["processing_time"] < 5
    assert (response.usage.total_tokens, response.usage.unmeasured_requests, response.usage.cost) == (0, 1, None)


def test_what_is_sent_without_settings(guide):
    agent(guide).run_sync("Why?")
    assert guide.last == {"prompt": "Why?", "user_id": "system", "context_allocation": 50, "timeout": 5}


def test_named_model_is_asked_for(guide, node):
    agent(guide, "m-small").run_sync("Why?")
    assert guide.last["model_preference"] == "m-small"
    agent(node, "gpt2").run_sync("Why?", model_settings={"max_tokens": 9, "temperature": 0.5})
    assert node.last == {"prompt": "Why?", "model_id": "gpt2", "budget_ftns": 50, "max_tokens": 9, "temperature": 0.5}


def test_conversation_is_one_text(guide):
    chat = agent(guide, instructions="Be brief.")
    history = chat.run_sync("What do lamps do?").all_messages()
    chat.run_sync("And chairs?", message_history=history)
    assert guide.last["prompt"] == (
        "# Instructions\n\nBe brief.\n\n"
        f"# Conversation so far\n\nUser: What do lamps do?\n\nAssistant: {ANSWER}\n\n"
        "# Request\n\nAnd chairs?"
    )


def test_validator_may_ask_again(guide):
    chat = agent(guide)

    @chat.output_validator
    def short(text: str) -> str:
        if text == ANSWER:
            raise ModelRetry("Say it shorter.")
        return text

    guide.say(Reply(body=guide_answer()), Reply(body=guide_answer(final_answer="Light.")))
    assert chat.run_sync("Why?").output == "Light."
    assert "Say it shorter." in guide.last["prompt"]
    assert f"Assistant: {ANSWER}" in guide.last["prompt"]


@pytest.mark.parametrize(
    ("given", "allocation"), [(None, 50), (1, 1), (120, 120), (Decimal("99.9"), 99), (10.0, 10), ("20", 20)]
)
def test_allocation_that_is_sent_bounds_the_charge(guide, given, allocation):
    settings = {} if given is None else {"context_allocation": given}
    agent(guide).run_sync("Why?", model_settings=settings)
    sent = guide.last["context_allocation"]
    assert (sent, type(sent)) == (allocation, int)
    bound = model(guide).bound_charge(settings)
    assert (bound, type(bound)) == (Decimal(allocation), Decimal)


@pytest.mark.parametrize("given", [0, 0.5, -1, "many", float("nan"), float("inf")])
def test_allocation_that_is_none_is_refused(guide, given):
    with pytest.raises(InvalidInput, match="whole number of FTNS, at least 1"):
        agent(guide).run_sync("Why?", model_settings={"context_allocation": given})
    with pytest.raises(InvalidInput):
        model(guide).bound_charge({"context_allocation": given})
    assert guide.asked == []


class Mood(BaseModel):
    sentiment: str


def tool() -> str:
    return ""


@pytest.mark.parametrize("options", [{"tools": [tool]}, {"output_type": Mood}, {"output_type": [str, Mood]}])
def test_agent_with_tools_or_an_output_type_is_refused(guide, options):
    with pytest.raises(ConfigurationError) as caught:
        agent(guide, **options).run_sync("Why?")
    assert explain(caught.value) == (
        "configuration",
        "The model 'prsm:default' answers in text only: an agent with tools or with an output type needs another "
        "model.",
    )
    assert guide.asked == []


# --- errors


REFUSED = [
    (Reply(401, error("INVALID_API_KEY")), ModelAuthenticationError, 401, "model_authentication"),
    (Reply(402, error("INSUFFICIENT_CREDITS")), ModelQuotaExceededError, 402, "model_funds"),
    (Reply(400, error("BUDGET_EXCEEDED")), ModelQuotaExceededError, 402, "model_funds"),
    (Reply(404, error("MODEL_NOT_FOUND")), ModelNotFoundError, 404, "model_error"),
    (Reply(413, error("REQUEST_TOO_LARGE")), ModelRequestRejectedError, 413, "model_error"),
    (Reply(422, error("INVALID_INPUT")), ModelRequestRejectedError, 422, "model_error"),
    (Reply(429, error("RATE_LIMIT_EXCEEDED", retry_after_seconds=2.5)), ModelRateLimitError, 429, "model_rate_limit"),
    (Reply(451, {"detail": "no"}), ModelRequestRejectedError, 451, "model_error"),
    (Reply(500, error("PROVIDER_ERROR")), ModelServerError, 500, "model_error"),
    (Reply(501, {"detail": "no"}), ModelRequestRejectedError, 501, "model_error"),
    (Reply(503, {"detail": "busy"}), ModelUnavailableError, 503, "model_error"),
    (Reply(418, {}), ModelHTTPError, 418, "model_error"),
]


@pytest.mark.parametrize(("reply", "kind", "status", "code"), REFUSED)
def test_refusal_keeps_its_status(guide, reply, kind, status, code):
    guide.say(reply)
    with pytest.raises(kind) as caught:
        agent(guide).run_sync("Why?")
    found = caught.value
    assert isinstance(found, ModelHTTPError)
    assert (found.status_code, found.model_name, len(guide.asked)) == (status, "prsm:default", 1)
    assert found.provider_error_code == (reply.body.get("error", {}).get("code"))
    assert found.retry_after == (2.5 if status == 429 else None)
    assert (explain(found)[0], "prsm:default" in explain(found)[1]) == (code, True)


@pytest.mark.parametrize(
    ("reply", "kind", "phase"),
    [
        (Reply(hang=True), ModelTimeoutError, "read"),
        (Reply(504), ModelTimeoutError, "read"),
        (Reply(cut=True), ModelConnectionError, "read"),
    ],
)
def test_unknown_outcome(guide, reply, kind, phase):
    guide.say(reply)
    with pytest.raises(ModelAPIError) as caught:
        agent(guide).run_sync("Why?", model_settings={"timeout": 0.2})
    assert (type(caught.value), caught.value.phase, len(guide.asked)) == (kind, phase, 1)
    assert explain(caught.value)[0] == "model_error"


def test_service_that_is_not_there(guide):
    with nobody() as url, pytest.raises(ModelConnectionError) as caught:
        agent(guide, options={"base_url": url}).run_sync("Why?")
    assert (type(caught.value), caught.value.phase) == (ModelConnectionError, "connect")
    assert explain(caught.value) == (
        "model_error",
        "The provider of prsm:default could not be reached or broke off.",
    )


def test_answer_that_cannot_be_read(guide):
    guide.say(Reply(body="<html>"))
    with pytest.raises(UnexpectedModelBehavior) as caught:
        agent(guide).run_sync("Why?")
    assert explain(caught.value) == ("model_behavior", "The model did not give an answer that can be used.")


def test_node_that_reports_a_failure_without_a_status(node):
    node.say(Reply(body={"success": False, "error": "Unknown model"}))
    with pytest.raises(ModelServerError) as caught:
        agent(node, "gpt2").run_sync("Why?")
    assert not isinstance(caught.value, ModelHTTPError)


def test_retries_are_the_clients(guide):
    guide.say(Reply(429, {"retry_after": 0.002}), Reply(503, {"retry_after": 0.002}))
    assert agent(guide, options={"max_retries": 2}).run_sync("Why?").output == ANSWER
    assert len(guide.asked) == 3


def test_fallback_follows_a_refusal(guide):
    guide.say(Reply(402, {}), Reply(402, {}))
    chain = FallbackModel(model(guide), TestModel(custom_output_text="Instead."))
    assert Agent(chain).run_sync("Why?").output == "Instead."
    assert asyncio.run(streamed(Agent(chain)))[0].replace("|", "") == "Instead."


def test_real_requests_are_refused_in_tests(guide, monkeypatch):
    monkeypatch.setattr("pydantic_ai.models.ALLOW_MODEL_REQUESTS", False)
    with pytest.raises(RuntimeError, match="not allowed"):
        agent(guide).run_sync("Why?")
    with pytest.raises(RuntimeError, match="not allowed"):
        asyncio.run(streamed(agent(guide)))
    assert guide.asked == []


# --- streams


async def streamed(chat, **options):
    """The pieces as one text, and the response."""
    pieces = []
    async with chat.run_stream("Why?", **options) as stream:
        async for piece in stream.stream_text(delta=True, debounce_by=None):
            pieces.append(piece)
    return "|".join(pieces), stream.response


def test_stream_of_the_guide(guide):
    text, response = asyncio.run(streamed(agent(guide), model_settings={"context_allocation": 60}))
    assert text == "Lamps |give |light."
    assert (guide.asked[0].path, guide.last["context_allocation"]) == ("/api/v1/stream", 60)
    assert (response.parts, response.state, response.finish_reason) == ([TextPart(ANSWER)], "complete", "stop")
    assert (response.provider_name, response.model_name, response.provider_response_id) == ("prsm", "default", "q-2")
    assert response.provider_details.pop("processing_time") < 5
    assert response.provider_details == {"charge": CHARGE, "quality_score": None, "query_id": "q-2", "model_used": ""}
    assert response.usage.unmeasured_requests == 1


def test_stream_of_a_node(node):
    text, response = asyncio.run(streamed(agent(node, "gpt2")))
    assert (text, node.asked[0].path) == ("Lamps |give |light.", "/compute/inference/stream")
    assert response.provider_details["charge"] == CHARGE


def test_stream_of_a_node_that_chooses_the_model(node):
    text, response = asyncio.run(streamed(agent(node)))
    assert (text, node.asked[0].path, response.usage.total_tokens) == (ANSWER, "/compute/query", 7)


@pytest.mark.parametrize(
    ("event", "kind"),
    [({"error": {"code": "INSUFFICIENT_CREDITS"}}, ModelQuotaExceededError), ({"error": "no"}, ModelServerError)],
)
def test_error_in_the_middle_of_a_stream(guide, event, kind):
    guide.say(Reply(events=[*guide_events("Lamps ", "give")[:-1], data(event)]))
    with pytest.raises(kind) as caught:
        asyncio.run(streamed(agent(guide)))
    assert (caught.value.in_stream, len(guide.asked)) == (True, 1)


@pytest.mark.parametrize("ending", [{}, {"cut": True}, {"hang": True}])
def test_stream_without_an_end_is_never_repeated(server, ending):
    events = guide_events("Lamps ", "give")[:-1] if server.dialect == "guide" else node_events("Lamps ", "give")[:-1]
    server.say(Reply(events=events, **ending))
    with pytest.raises(ModelConnectionError) as caught:
        asyncio.run(streamed(agent(server, "gpt2"), model_settings={"timeout": 0.2}))
    assert (caught.value.phase, len(server.asked)) == ("read", 1)


def test_stream_can_be_cancelled(guide):
    guide.say(Reply(events=guide_events("Lamps ", "give")[:-1], hang=True))

    async def watch():
        async with agent(guide).run_stream("Why?") as stream:
            async for _ in stream.stream_text(delta=True, debounce_by=None):
                await stream.cancel()
            return stream.response

    response = asyncio.run(watch())
    assert (response.state, response.text, response.provider_details) == ("interrupted", "Lamps ", None)


def test_model_serves_one_loop_after_another(guide):
    chat = agent(guide)
    for _ in range(3):
        assert asyncio.run(chat.run("Why?")).output == ANSWER
