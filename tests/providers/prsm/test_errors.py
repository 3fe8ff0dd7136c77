"""Every refusal has its error, and only what the service did nothing for is sent again."""

import traceback
from decimal import Decimal

import pytest

from retinue.errors import RetinueError
from retinue.providers.prsm import errors
from retinue.providers.prsm.errors import (
    AuthenticationError,
    InsufficientFundsError,
    ModelNotFoundError,
    NetworkError,
    NotSupportedError,
    OutcomeUnknownError,
    PRSMError,
    RateLimitError,
    SafetyViolationError,
    ServiceError,
    ValidationError,
)
from retinue.providers.prsm.retries import LONGEST_PAUSE, Retries
from tests.providers.prsm.server import ANSWER, KEY, Reply, error, nobody

pytestmark = pytest.mark.asyncio


async def refused(client, server, **options):
    """The error of a query, and how often the service was asked."""
    before = len(server.asked)
    async with client(server, **options) as prsm:
        with pytest.raises(PRSMError) as caught:
            await prsm.query("Why?", "7", model="gpt2")
    return caught.value, len(server.asked) - before


GUIDE = [
    (401, error("INVALID_API_KEY"), AuthenticationError, "PRSM refused the key."),
    (403, error("INVALID_API_KEY"), AuthenticationError, "PRSM refused the key."),
    (
        402,
        error("INSUFFICIENT_CREDITS"),
        InsufficientFundsError,
        "PRSM was not given enough FTNS, or the account has not enough of them.",
    ),
    (
        400,
        error("INSUFFICIENT_FTNS"),
        InsufficientFundsError,
        "PRSM was not given enough FTNS, or the account has not enough of them.",
    ),
    (
        429,
        error("BUDGET_EXCEEDED"),
        InsufficientFundsError,
        "PRSM was not given enough FTNS, or the account has not enough of them.",
    ),
    (404, error("MODEL_NOT_FOUND"), ModelNotFoundError, "PRSM does not have this model."),
    (400, error("INVALID_INPUT"), ValidationError, "PRSM refused the request as not valid."),
    (
        422,
        error("INVALID_INPUT", field="user_id"),
        ValidationError,
        "PRSM refused the request as not valid: user_id.",
    ),
    (413, error("REQUEST_TOO_LARGE"), ValidationError, "PRSM refused the request as not valid."),
    (500, error("PROVIDER_ERROR"), ServiceError, "PRSM failed to answer (status 500)."),
    (
        501,
        error("NOT_IMPLEMENTED"),
        NotSupportedError,
        "This PRSM service does not offer what was asked for; look at its address and dialect.",
    ),
    (418, error("TEAPOT"), PRSMError, "PRSM failed to answer (status 418)."),
    (302, "", PRSMError, "PRSM failed to answer (status 302)."),
    (500, "<html>no</html>", ServiceError, "PRSM failed to answer (status 500)."),
    (
        504,
        "",
        OutcomeUnknownError,
        "PRSM was asked but did not answer to the end; it may have charged for it, so it is not asked again.",
    ),
]
NODE = [
    (401, {"detail": "Unauthorized"}, AuthenticationError, "PRSM refused the key."),
    (
        402,
        {"detail": "insufficient funds"},
        InsufficientFundsError,
        "PRSM was not given enough FTNS, or the account has not enough of them.",
    ),
    (
        402,
        {"detail": {"code": "INSUFFICIENT_BALANCE", "message": "no"}},
        InsufficientFundsError,
        "PRSM was not given enough FTNS, or the account has not enough of them.",
    ),
    (
        404,
        {"detail": "Not Found"},
        NotSupportedError,
        "This PRSM service does not offer what was asked for; look at its address and dialect.",
    ),
    (412, {"detail": "no wallet"}, ValidationError, "PRSM refused the request as not valid."),
    (413, {"detail": "prompt exceeds 100 KB"}, ValidationError, "PRSM refused the request as not valid."),
    (
        422,
        {"detail": [{"loc": ["body", "model_id"], "msg": "str"}]},
        ValidationError,
        "PRSM refused the request as not valid: model_id.",
    ),
    (422, {"detail": [{"loc": ["body", 3]}]}, ValidationError, "PRSM refused the request as not valid."),
    (451, {"detail": "blocked"}, SafetyViolationError, "PRSM refused the request for safety's sake."),
    (200, {"success": False, "error": "Unknown model"}, ServiceError, "PRSM failed to answer."),
]


@pytest.mark.parametrize(("status", "body", "kind", "message"), GUIDE)
async def test_refusal_of_the_guide(guide, client, status, body, kind, message):
    guide.say(Reply(status, body))
    found, asked = await refused(client, guide)
    assert (type(found), str(found), found.status, asked) == (kind, message, status, 1)


@pytest.mark.parametrize(("status", "body", "kind", "message"), NODE)
async def test_refusal_of_a_node(node, client, status, body, kind, message):
    node.say(Reply(status, body))
    found, asked = await refused(client, node)
    assert (type(found), str(found), asked) == (kind, message, 1)
    assert found.status == (None if status == 200 else status)


async def test_what_the_service_wrote_is_for_the_developer(guide, client):
    body = error("INSUFFICIENT_CREDITS", "You need more.", required=12.5, available=3)
    guide.say(Reply(402, body))
    found, _ = await refused(client, guide)
    assert (found.error_code, found.required, found.available) == ("INSUFFICIENT_CREDITS", Decimal("12.5"), Decimal(3))
    assert found.details == {"required": Decimal("12.5"), "available": Decimal(3), "message": "You need more."}
    assert isinstance(found, RetinueError)


async def test_funds_that_are_not_said_are_unknown(guide, client):
    guide.say(Reply(402, {"error": {"code": "INSUFFICIENT_CREDITS", "request_id": "inside"}}))
    found, _ = await refused(client, guide)
    assert (found.required, found.available, found.details) == (None, None, {})


async def test_code_that_is_none_is_left_out(guide, client):
    guide.say(Reply(400, {"error": {"code": f"see {guide.url}", "details": {"field": "a b"}}}))
    found, _ = await refused(client, guide)
    assert (found.error_code, found.field, found.details) == ("", "", {})


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, error("INVALID_API_KEY", f"{KEY} is wrong", **{KEY: [{"key": KEY}]})),
        (401, {"detail": [f"Bearer {KEY}"]}),
        (401, {"detail": KEY}),
    ],
)
async def test_key_and_address_stay_out_of_what_is_shown(server, client, status, body):
    server.say(Reply(status, body))
    found, _ = await refused(client, server)
    shown = "".join(traceback.format_exception(found)) + repr(found.details) + repr(vars(found))
    assert KEY not in shown
    assert server.url not in shown


async def test_key_stays_out_of_a_failure_without_a_status(node, client):
    node.say(Reply(200, {"success": False, "error": f"{KEY} is wrong"}))
    found, _ = await refused(client, node)
    assert found.details == {"message": "… is wrong"}


# --- sent again


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, error("RATE_LIMIT_EXCEEDED")),
        (429, {"detail": "slow down"}),
        (502, "<html>Bad gateway</html>"),
        (502, error("PROVIDER_ERROR")),
        (503, {"detail": "no executor"}),
    ],
)
async def test_busy_service_is_asked_again(server, client, status, body):
    server.say(Reply(status, body), Reply(status, body))
    async with client(server) as prsm:
        assert (await prsm.query("Why?", "7")).final_answer == ANSWER
    assert len(server.asked) == 3
    assert server.asked[0] == server.asked[1] == server.asked[2]


@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (1, 2), (3, 4)])
async def test_busy_service_is_asked_again_so_often_and_no_more(server, client, retries, asked):
    server.say(*[Reply(503, {"detail": "busy"})] * 6)
    found, made = await refused(client, server, max_retries=retries)
    assert (type(found), str(found), made) == (ServiceError, "PRSM failed to answer (status 503).", asked)


PLACES = [
    ({"retry-after": "0.021"}, {}),
    ({}, {"retry_after": 0.021}),
    ({}, {"error": {"retry_after": 0.021}}),
    ({}, {"error": {"details": {"retry_after_seconds": 0.021}}}),
    ({}, {"error": {"details": {"retry_after_seconds": "0.021"}}}),
    ({}, {"detail": {"retry_after": 0.021}}),
    ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {"retry_after": 0.021}),
    ({"retry-after": "-1"}, {"retry_after": 0.021}),
    ({"retry-after": "nan"}, {"retry_after": 0.021}),
]


@pytest.mark.parametrize(("headers", "body"), PLACES)
async def test_retry_after_is_found_wherever_it_stands(server, client, headers, body):
    server.say(Reply(429, body, headers))
    found, asked = await refused(client, server, max_retries=0)
    assert (type(found), found.retry_after, asked) == (RateLimitError, 0.021, 1)


async def test_retry_after_is_waited_for(server, client):
    server.say(Reply(429, {}, {"retry-after": "0.05"}), Reply(503, {"retry_after": 0.02}))
    async with client(server) as prsm:
        await prsm.query("Why?", "7")
    first, second, third = (asked.at for asked in server.asked)
    assert second - first >= 0.05
    assert third - second >= 0.02


async def test_back_off_doubles_with_jitter():
    retries, busy = Retries(most=4, first_pause=0.5), ServiceError(status=503)
    for made, longest in enumerate([0.5, 1, 2, 4]):
        pauses = {retries.pause(busy, made) for _ in range(50)}
        assert len(pauses) > 1
        assert longest / 2 <= min(pauses) <= max(pauses) <= longest
    assert retries.pause(busy, 4) is None
    assert Retries(most=99).pause(busy, 60) <= LONGEST_PAUSE


async def test_who_asks_for_a_long_wait_is_not_waited_for():
    assert Retries().pause(RateLimitError(retry_after=LONGEST_PAUSE + 1), 0) is None
    assert LONGEST_PAUSE <= Retries().pause(RateLimitError(retry_after=LONGEST_PAUSE), 0) <= LONGEST_PAUSE * 1.1


# --- connections


async def test_timeout_after_the_request_was_sent_is_never_repeated(server, client):
    server.say(Reply(hang=True))
    found, asked = await refused(client, server, timeout=0.2)
    assert (type(found), asked) == (OutcomeUnknownError, 1)
    assert str(found) == (
        "PRSM was asked but did not answer to the end; it may have charged for it, so it is not asked again."
    )


@pytest.mark.parametrize(
    "reply", [Reply(cut=True), Reply(body="{", headers={"content-length": "100", "connection": "close"})]
)
async def test_connection_that_breaks_after_the_request_was_sent_is_never_repeated(server, client, reply):
    server.say(reply)
    found, asked = await refused(client, server, timeout=0.2)
    assert (type(found), asked) == (OutcomeUnknownError, 1)


async def test_refused_connection_is_tried_again(server, client, caplog):
    caplog.set_level("INFO", "retinue.prsm")
    with nobody() as url:
        found, asked = await refused(client, server, base_url=url, max_retries=2)
    assert (type(found), str(found), asked) == (NetworkError, "PRSM could not be reached.", 0)
    tries = [record.getMessage().partition(" follows")[0] for record in caplog.records]
    assert tries == ["PRSM could not be reached. Retry 1", "PRSM could not be reached. Retry 2"]
    assert url not in "".join(record.getMessage() for record in caplog.records)


async def test_tree_is_the_one_that_is_drawn():
    drawn = {line.split("─ ")[1].split()[0] for line in errors.__doc__.splitlines() if "─ " in line}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PRSMError)]
    assert drawn | {"PRSMError"} == {kind.__name__ for kind in kinds}
