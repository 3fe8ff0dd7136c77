"""Streams: both forms, whole, cut and with an error in the middle."""

from decimal import Decimal

import pytest

from retinue.providers.prsm import PRSMAnswer
from retinue.providers.prsm.errors import (
    AuthenticationError,
    InsufficientFundsError,
    InvalidResponseError,
    OutcomeUnknownError,
    PRSMError,
    ServiceError,
)
from tests.providers.prsm.server import (
    ANSWER,
    CHARGE,
    KEY,
    Reply,
    data,
    error,
    guide_events,
    inference,
    node_events,
)

pytestmark = pytest.mark.asyncio

PIECES = ["Lamps ", "give ", "light."]


async def read(prsm, **options):
    """What came, piece by piece, and the error that ended it."""
    came = []
    try:
        async for piece in prsm.stream("Why?", "7", **options):
            came.append(piece)
    except PRSMError as problem:
        return came, problem
    return came, None


async def test_stream_of_the_guide(guide, client):
    async with client(guide) as prsm:
        *pieces, answer = [piece async for piece in prsm.stream("Why?", "7", 80, "sess_1")]
    assert pieces == PIECES
    assert 0 < answer.processing_time < 5
    assert (answer.final_answer, answer.query_id) == (ANSWER, "q-2")
    assert (answer.ftns_charged, answer.ftns_charged_text, answer.quality_score) == (Decimal(CHARGE), CHARGE, None)
    (asked,) = guide.asked
    assert (asked.path, asked.authorization) == ("/api/v1/stream", f"Bearer {KEY}")
    assert asked.body == {
        "prompt": "Why?",
        "user_id": "7",
        "context_allocation": 80,
        "session_id": "sess_1",
        "timeout": 5,
    }


async def test_stream_of_a_node(node, client):
    async with client(node) as prsm:
        *pieces, answer = [piece async for piece in prsm.stream("Why?", "7", 80, model="gpt2")]
    assert pieces == PIECES
    assert answer == PRSMAnswer(
        final_answer=ANSWER,
        ftns_charged=Decimal(CHARGE),
        ftns_charged_text=CHARGE,
        processing_time=2.5,
        quality_score=None,
        query_id="j-1",
        model_used="gpt2",
    )
    (asked,) = node.asked
    assert asked.path == "/compute/inference/stream"
    assert asked.body == {"prompt": "Why?", "model_id": "gpt2", "budget_ftns": 80}


async def test_node_that_chooses_the_model_answers_in_one_piece(node, client):
    async with client(node) as prsm:
        piece, answer = [piece async for piece in prsm.stream("Why?", "7")]
    assert (piece, answer.final_answer, answer.ftns_charged) == (ANSWER, ANSWER, None)
    assert [asked.path for asked in node.asked] == ["/compute/query"]


def split(events):
    """The same bytes in other chunks, with other line ends and what else a stream may have."""
    text = ": welcome\r\n\r\nretry: 5\r\n\r\n" + "".join(events).replace("\n", "\r\n")
    return [text[place : place + 7] for place in range(0, len(text), 7)]


async def test_chunks_need_not_be_events(server, client):
    pieces = ["Lämps ", "give\u2028", "light."]
    server.say(Reply(events=split(guide_events(*pieces) if server.dialect == "guide" else node_events(*pieces))))
    async with client(server) as prsm:
        *came, answer = (await read(prsm, model="gpt2"))[0]
    assert came == pieces
    assert answer.final_answer == "".join(pieces)


async def test_missing_charge_of_a_stream_is_unknown(guide, client):
    end = {"type": "end", "quality_score": 55, "metadata": {"tokens_used": 9}}
    guide.say(Reply(events=[data({"type": "content", "content": ANSWER}), data({"type": "new"}), data(end)]))
    async with client(guide) as prsm:
        *pieces, answer = (await read(prsm))[0]
    assert (pieces, answer.final_answer) == ([ANSWER], ANSWER)
    assert (answer.ftns_charged, answer.quality_score, answer.tokens_used) == (None, 55.0, 9)


async def test_rest_of_the_answer_that_was_not_streamed_comes_at_the_end(guide, client):
    end = {"type": "end", "final_answer": ANSWER, "ftns_charged": 1}
    guide.say(Reply(events=[data({"type": "content", "content": "Lamps "}), data(end)]), Reply(events=[data(end)]))
    async with client(guide) as prsm:
        assert (await read(prsm))[0][:-1] == ["Lamps ", "give light."]
        assert (await read(prsm))[0][:-1] == [ANSWER]


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2])
async def test_cut_stream_is_never_repeated(server, client, cut, count):
    events = guide_events(*PIECES)[1:-1] if server.dialect == "guide" else node_events(*PIECES)[:-1]
    server.say(Reply(events=events[:count], cut=cut))
    async with client(server) as prsm:
        came, problem = await read(prsm, model="gpt2")
    # A reset takes along what was on its way.
    assert came == PIECES[: len(came)] and (cut or len(came) == count)
    assert type(problem) is OutcomeUnknownError
    assert len(server.asked) == 1


async def test_stream_that_stops_is_never_repeated(server, client):
    first = guide_events(*PIECES)[:2] if server.dialect == "guide" else node_events(*PIECES)[:1]
    server.say(Reply(events=first, hang=True))
    async with client(server, timeout=0.2) as prsm:
        came, problem = await read(prsm, model="gpt2")
    assert (came, type(problem), len(server.asked)) == (PIECES[:1], OutcomeUnknownError, 1)


@pytest.mark.parametrize(
    ("event", "kind", "code"),
    [
        ({"type": "error", **error("PROVIDER_ERROR")}, ServiceError, "PROVIDER_ERROR"),
        (error("INSUFFICIENT_CREDITS"), InsufficientFundsError, "INSUFFICIENT_CREDITS"),
        ({"error": f"broken at {KEY}"}, ServiceError, ""),
    ],
)
async def test_error_in_the_middle_of_the_guides_stream(guide, client, event, kind, code):
    guide.say(Reply(events=[*guide_events(*PIECES)[:2], data(event), *guide_events(*PIECES)[2:]]))
    async with client(guide) as prsm:
        came, problem = await read(prsm)
    assert (came, type(problem), problem.error_code, problem.status) == (PIECES[:1], kind, code, None)
    assert KEY not in repr(problem.details)
    assert len(guide.asked) == 1


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": "chain broke", "job_id": "j"}, ServiceError),
        ({"error": "no", "code": "INSUFFICIENT_FUNDS"}, InsufficientFundsError),
    ],
)
async def test_error_in_the_middle_of_a_nodes_stream(node, client, event, kind):
    node.say(Reply(events=[*node_events(*PIECES)[:2], data(event, "error")]))
    async with client(node) as prsm:
        came, problem = await read(prsm, model="gpt2")
    assert (came, type(problem), len(node.asked)) == (PIECES[:2], kind, 1)


async def test_result_of_a_nodes_stream_may_say_that_there_is_none(node, client):
    node.say(Reply(events=[data(inference(success=False, error="no"), "result")]))
    async with client(node) as prsm:
        came, problem = await read(prsm, model="gpt2")
    assert (came, type(problem)) == ([], ServiceError)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(events=[data("{")]),
        Reply(events=[data("[1]")]),
        Reply(body="{}"),
        Reply(events=[data({"type": "end"})]),
    ],
)
async def test_stream_that_cannot_be_read(guide, client, reply):
    guide.say(reply)
    async with client(guide) as prsm:
        came, problem = await read(prsm)
    assert (came, type(problem), len(guide.asked)) == ([], InvalidResponseError, 1)


async def test_busy_service_is_asked_for_a_stream_again(server, client):
    server.say(Reply(503, {"detail": "busy"}, {"retry-after": "0.002"}), Reply(429, {}))
    async with client(server) as prsm:
        came, problem = await read(prsm, model="gpt2")
    assert (came[:-1], problem, len(server.asked)) == (PIECES, None, 3)


async def test_refused_stream(guide, client):
    async with client(guide, api_key="another") as prsm:
        came, problem = await read(prsm)
    assert (came, type(problem), len(guide.asked)) == ([], AuthenticationError, 1)


async def test_reader_may_leave(server, client):
    server.say(Reply(events=guide_events(*PIECES)[:2] if server.dialect == "guide" else node_events(*PIECES)[:1]))
    async with client(server) as prsm:
        stream = prsm.stream("Why?", "7", model="gpt2")
        assert await anext(stream) == PIECES[0]
        await stream.aclose()
        assert (await prsm.query("Why?", "7")).final_answer == ANSWER
