"""An agent that answers through PRSM, and what is on record afterwards."""

from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync

from retinue import AUTHENTICATED, SYSTEM, DjangoAgent
from retinue.errors import ExecutionFailed
from retinue.executions.models import ExecutionStep
from retinue.runtime.journal.payload import load_response
from retinue.testing import allow_model_requests
from tests.providers.prsm.server import ANSWER, CHARGE, KEY, Reply, error, guide_answer, guide_events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(settings, guide):
    """A site that is set up for the service."""
    settings.RETINUE = {"PRSM": {"BASE_URL": guide.url, "API_KEY": KEY, "DEFAULT_TIMEOUT": 5, "MAX_RETRIES": 1}}
    with allow_model_requests():
        yield


def speaker(**options):
    return DjangoAgent("speaker", permission=AUTHENTICATED, model="prsm:default", **options)


def test_run_keeps_what_the_service_said(guide, user):
    result = speaker(instructions="Be brief.").run_sync("What do lamps do?", user=user)
    assert result.output == ANSWER
    execution = result.execution
    assert (execution.status, execution.output_data, execution.tokens_used) == ("completed", ANSWER, 42)
    assert guide.last == {
        "prompt": "# Instructions\n\nBe brief.\n\n# Request\n\nWhat do lamps do?",
        "user_id": f"user:{user.pk}",
        "context_allocation": 50,
        "timeout": 5,
    }
    step = ExecutionStep.objects.get()
    assert step.name == "prsm:default"
    assert load_response(bytes(step.payload)).provider_details == {
        "charge": CHARGE,
        "quality_score": 87.0,
        "processing_time": 1.25,
        "query_id": "q-1",
        "model_used": "m-large",
    }


def test_charge_and_score_are_on_record(user):
    execution = speaker().run_sync("What do lamps do?", user=user).execution
    execution.refresh_from_db()
    step = ExecutionStep.objects.get()
    assert step.provider_charge == CHARGE
    assert step.charge == execution.charge == Decimal("0.123456790")  # rounded up to 10⁻⁹
    assert execution.quality_score == 87.0
    assert (step.cost, execution.cost) == (None, None)


def test_missing_charge_is_unknown(guide, user):
    guide.say(Reply(body=guide_answer("null", quality_score=None)))
    execution = speaker().run_sync("Why?", user=user).execution
    execution.refresh_from_db()
    assert (execution.charge, execution.quality_score, ExecutionStep.objects.get().provider_charge) == (None, None, "")


def test_stream(guide, user):
    async def watch():
        async with speaker().stream("Why?", user=user) as events:
            kinds = [event.event_kind async for event in events]
        return kinds, events.result.output

    kinds, output = async_to_sync(watch)()
    assert (output, guide.asked[0].path) == (ANSWER, "/api/v1/stream")
    assert kinds.count("part_delta") == 2
    assert load_response(bytes(ExecutionStep.objects.get().payload)).provider_details["charge"] == CHARGE


@pytest.mark.parametrize("models", [["prsm:default"], ["prsm:default", "test"]])
def test_alias_says_for_whom_and_how_much(settings, guide, user, models):
    settings.RETINUE = {**settings.RETINUE, "MODELS": {"smart": {"models": models}}}
    agent = DjangoAgent("speaker", permission=AUTHENTICATED, model="smart", max_credits=Decimal(12))
    result = agent.run_sync("Why?", user=user)
    assert (guide.last["user_id"], guide.last["context_allocation"]) == (f"user:{user.pk}", 12)
    assert result.execution.charge == Decimal("0.123456790")


def test_system_is_named(guide):
    speaker().run_sync("Why?", principal=SYSTEM)
    assert guide.last["user_id"] == "system"


@pytest.mark.parametrize(
    ("reply", "code", "message"),
    [
        (
            Reply(401, error("INVALID_API_KEY", KEY)),
            "model_authentication",
            "The provider of prsm:default refused the key.",
        ),
        (
            Reply(402, error("INSUFFICIENT_CREDITS")),
            "model_funds",
            "The account at the provider of prsm:default has not enough funds for this.",
        ),
        (
            Reply(cut=True),
            "model_error",
            "The provider of prsm:default could not be reached or broke off.",
        ),
        (Reply(body="{}"), "model_behavior", "The model did not give an answer that can be used."),
    ],
)
def test_failure_is_told_in_a_sentence_and_asked_once(guide, user, reply, code, message):
    guide.say(reply)
    with pytest.raises(ExecutionFailed) as caught:
        speaker().run_sync("Why?", user=user)
    execution = caught.value.execution
    assert (execution.error_code, execution.error_message, len(guide.asked)) == (code, message, 1)
    stored = b"".join(bytes(step.payload) for step in ExecutionStep.objects.all())
    assert KEY.encode() not in stored


def test_timeout_is_not_repeated(guide, user):
    guide.say(Reply(hang=True))
    with pytest.raises(ExecutionFailed):
        speaker().run_sync("Why?", user=user, model_settings={"timeout": 0.2})
    assert len(guide.asked) == 1


def test_broken_stream_is_not_repeated(guide, user):
    guide.say(Reply(events=guide_events("Lamps ", "give")[:-1]))

    async def watch():
        async with speaker().stream("Why?", user=user) as events:
            async for _ in events:
                pass

    with pytest.raises(ExecutionFailed):
        async_to_sync(watch)()
    assert len(guide.asked) == 1


def test_tools_are_refused_in_a_sentence(guide, user):
    agent = speaker()

    @agent.tool(effects="none")
    def look(ctx) -> str:
        return ""

    with pytest.raises(ExecutionFailed) as caught:
        agent.run_sync("Why?", user=user)
    assert (caught.value.execution.error_code, caught.value.execution.error_message) == (
        "configuration",
        "The model 'prsm:default' answers in text only: an agent with tools or with an output type needs another "
        "model.",
    )
    assert guide.asked == []
