"""What goes on the wire and what comes back, in both dialects."""

from dataclasses import replace
from decimal import Decimal

import pytest

from retinue.errors import InvalidInput
from retinue.providers.prsm import PRSMAnswer, PRSMSession
from retinue.providers.prsm.errors import InvalidResponseError, NotSupportedError
from tests.providers.prsm.server import ANSWER, CHARGE, KEY, Reply, guide_answer, inference, nobody, receipt

pytestmark = pytest.mark.asyncio

WHOLE = PRSMAnswer(
    final_answer=ANSWER,
    ftns_charged=Decimal(CHARGE),
    ftns_charged_text=CHARGE,
    processing_time=1.25,
    quality_score=87.0,
    query_id="q-1",
    model_used="m-large",
    tokens_used=42,
)


async def test_query_of_the_guide(guide, client):
    async with client(guide, timeout=7.5) as prsm:
        answer = await prsm.query("What do lamps do?", "7")
    assert answer == WHOLE
    (asked,) = guide.asked
    assert (asked.method, asked.path, asked.authorization) == ("POST", "/api/v1/query", f"Bearer {KEY}")
    assert asked.body == {"prompt": "What do lamps do?", "user_id": "7", "context_allocation": 50, "timeout": 8}


async def test_query_of_the_guide_with_everything(guide, client):
    async with client(guide) as prsm:
        await prsm.query("Why?", "7", 120, "sess_1", model="m-small", timeout=3)
    assert guide.last == {
        "prompt": "Why?",
        "user_id": "7",
        "context_allocation": 120,
        "session_id": "sess_1",
        "model_preference": "m-small",
        "timeout": 3,
    }


async def test_query_of_a_node(node, client):
    async with client(node, api_key="") as prsm:
        answer = await prsm.query("What do lamps do?", "7", 60)
    (asked,) = node.asked
    assert (asked.path, asked.authorization) == ("/compute/query", None)
    assert asked.body == {"prompt": "What do lamps do?", "timeout": 5, "budget": 60}
    assert 0 < answer.processing_time < 5
    assert replace(answer, processing_time=0) == PRSMAnswer(
        final_answer=ANSWER,
        ftns_charged=None,
        ftns_charged_text="",
        processing_time=0,
        quality_score=None,
        query_id="j-0",
        model_used="nwtn",
        tokens_used=7,
    )


async def test_query_of_a_named_model_of_a_node(node, client):
    async with client(node) as prsm:
        answer = await prsm.query("What do lamps do?", "7", model="gpt2", max_tokens=9, temperature=0.5)
    (asked,) = node.asked
    assert (asked.path, asked.authorization) == ("/compute/inference", f"Bearer {KEY}")
    assert asked.body == {
        "prompt": "What do lamps do?",
        "model_id": "gpt2",
        "budget_ftns": 50,
        "max_tokens": 9,
        "temperature": 0.5,
    }
    assert answer == PRSMAnswer(
        final_answer=ANSWER,
        ftns_charged=Decimal(CHARGE),
        ftns_charged_text=CHARGE,
        processing_time=2.5,
        quality_score=None,
        query_id="j-1",
        model_used="gpt2",
    )


async def test_answer_is_left_as_it_is_even_where_the_key_is_a_word_of_it(node, client):
    async with client(node, api_key="light") as prsm:
        assert (await prsm.query("Why?", "7")).final_answer == ANSWER


async def test_any_text_can_be_sent(server, client):
    prompt = "half \ud83d, whole 😀, \x00, \u2028"
    async with client(server) as prsm:
        await prsm.query(prompt, "7")
    assert server.last["prompt"] == prompt


async def test_address_may_have_a_path(guide, client):
    async with client(guide, base_url=f"{guide.url}/ai/") as prsm:
        with pytest.raises(NotSupportedError):
            await prsm.query("Why?", "7")
    assert guide.asked[0].path == "/ai/api/v1/query"


@pytest.mark.parametrize(
    ("sent", "charge", "text"),
    [
        ("0.123456789012345678", "0.123456789012345678", "0.123456789012345678"),
        ("1e-18", "0.000000000000000001", "1e-18"),
        ("2.500", "2.500", "2.500"),
        ("5", "5", "5"),
        ("0", "0", "0"),
        ('"0.040"', "0.040", "0.040"),
        ("null", None, ""),
        ("-1", None, ""),
        ("1e400", None, ""),
        ('"much"', None, ""),
        ('"NaN"', None, ""),
        ("true", None, ""),
        ("[1]", None, ""),
    ],
)
async def test_charge_is_kept_as_sent(guide, client, sent, charge, text):
    guide.say(Reply(body=guide_answer(sent)))
    async with client(guide) as prsm:
        answer = await prsm.query("Why?", "7")
    assert (answer.ftns_charged, answer.ftns_charged_text) == (charge and Decimal(charge), text)


async def test_missing_charge_is_unknown(guide, client):
    guide.say(Reply(body={"final_answer": ANSWER}))
    async with client(guide) as prsm:
        answer = await prsm.query("Why?", "7")
    assert (answer.ftns_charged, answer.ftns_charged_text) == (None, "")
    assert (answer.query_id, answer.model_used, answer.tokens_used) == ("", "", None)


@pytest.mark.parametrize(
    ("cost", "charge"), [("0.010", Decimal("0.010")), (1, Decimal(1)), (None, None), ("free", None)]
)
async def test_charge_of_a_node_is_that_of_its_receipt(node, client, cost, charge):
    node.say(Reply(body=inference(receipt=receipt(cost))))
    async with client(node) as prsm:
        assert (await prsm.query("Why?", "7", model="gpt2")).ftns_charged == charge


async def test_answer_of_a_node_without_a_receipt(node, client):
    node.say(Reply(body={"success": True, "output": ANSWER}))
    async with client(node) as prsm:
        answer = await prsm.query("Why?", "7", model="gpt2")
    assert (answer.final_answer, answer.ftns_charged, answer.query_id) == (ANSWER, None, "")


@pytest.mark.parametrize(
    ("given", "score"),
    [
        ({"quality_score": 87}, 87.0),
        ({"quality_score": 87.5, "confidence_score": 0.1}, 87.5),
        ({"quality_score": None, "confidence_score": 0.914}, 91.0),
        ({"quality_score": None, "confidence_score": None}, None),
        ({"quality_score": None}, None),
        ({"quality_score": 101}, None),
        ({"quality_score": "good"}, None),
    ],
)
async def test_quality_score(guide, client, given, score):
    guide.say(Reply(body=guide_answer(**given)))
    async with client(guide) as prsm:
        assert (await prsm.query("Why?", "7")).quality_score == score


@pytest.mark.parametrize("given", [{"processing_time": None}, {"processing_time": -1}, {"processing_time": "fast"}])
async def test_processing_time_that_is_missing_is_measured(guide, client, given):
    guide.say(Reply(body=guide_answer(**given)))
    async with client(guide) as prsm:
        assert 0 < (await prsm.query("Why?", "7")).processing_time < 5


@pytest.mark.parametrize(
    "body",
    ["", "<html>", "[]", "{", '{"final_answer": null}', '{"final_answer": 5}', '{"final_answer": NaN}', "[" * 9999],
)
async def test_answer_that_cannot_be_read_is_not_asked_for_again(guide, client, body):
    guide.say(Reply(body=body))
    async with client(guide) as prsm:
        with pytest.raises(InvalidResponseError, match=r"^PRSM gave an answer that cannot be read\.$"):
            await prsm.query("Why?", "7")
    assert len(guide.asked) == 1


@pytest.mark.parametrize("allocation", [0, -5, 10.5, "50", True, None])
async def test_allocation_is_a_whole_number(guide, client, allocation):
    async with client(guide) as prsm:
        with pytest.raises(InvalidInput, match="whole number of FTNS, at least 1"):
            await prsm.query("Why?", "7", allocation)
    assert guide.asked == []


async def test_create_session(guide, client):
    async with client(guide) as prsm:
        session = await prsm.create_session("7", {"topic": "lamps"}, 3600)
        assert guide.last == {"user_id": "7", "initial_context": {"topic": "lamps"}, "session_timeout": 3600}
        await prsm.create_session("7")
        assert guide.last == {"user_id": "7", "initial_context": {}}
    assert session == PRSMSession(
        session_id="sess_1",
        user_id="7",
        created_at="2026-01-01T00:00:00Z",
        expires_at="2026-01-02T00:00:00Z",
        context={"topic": "lamps"},
    )


async def test_session_without_an_id_cannot_be_read(guide, client):
    guide.say(Reply(body={"user_id": "7"}))
    async with client(guide) as prsm:
        with pytest.raises(InvalidResponseError):
            await prsm.create_session("7")


async def test_node_has_no_sessions(node, client):
    async with client(node) as prsm:
        with pytest.raises(NotSupportedError):
            await prsm.create_session("7")
        with pytest.raises(NotSupportedError):
            await prsm.query("Why?", "7", session_id="sess_1")
    assert node.asked == []


@pytest.mark.parametrize(
    ("reply", "up"),
    [
        (Reply(body={"status": "healthy", "version": "1", "components": {}}), True),
        (Reply(body={"status": "ok", "node_id": "n"}), True),
        (Reply(body={"status": "degraded"}), True),
        (Reply(body={"status": "unhealthy"}), False),
        (Reply(body={}), False),
        (Reply(503, {"status": "healthy"}), False),
        (Reply(body="<html>"), False),
        (Reply(cut=True), False),
    ],
)
async def test_ping(server, client, caplog, reply, up):
    server.say(reply)
    async with client(server) as prsm:
        assert await prsm.ping() is up
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.authorization) == ("GET", "/health", None)
    warned = [record.getMessage() for record in caplog.records if record.name == "retinue.prsm"]
    assert warned == (["PRSM says that it is degraded."] if "degraded" in str(reply.body) else [])


async def test_ping_of_a_service_that_hangs_or_is_not_there(guide, client):
    guide.say(Reply(hang=True))
    async with client(guide, timeout=0.2) as prsm:
        assert await prsm.ping() is False
    assert len(guide.asked) == 1
    with nobody() as url:
        async with client(guide, base_url=url) as prsm:
            assert await prsm.ping() is False
