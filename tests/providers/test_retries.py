"""Which failed requests are made again, and after how long."""

import pytest
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
)

from retinue.providers.retries import may_be_billed, pause_before_retry, reason


def status(code, **more):
    return ModelHTTPError(code, "gpt-5-mini", **more)


def out_of_quota():
    return ModelHTTPError.for_category(ModelQuotaExceededError, status_code=429, model_name="gpt-5-mini")


def broken(phase=None, kind=ModelConnectionError):
    return kind("gpt-5-mini", "A detail.", phase=phase)


@pytest.mark.parametrize(
    ("error", "again", "billed", "words"),
    [
        (status(400), False, False, "status 400"),
        (status(401), False, False, "the key was refused"),
        (status(403), False, False, "the key was refused"),
        (status(404), False, False, "status 404"),
        (status(408), True, False, "status 408"),
        (status(409), True, False, "status 409"),
        (status(422), False, False, "status 422"),
        (status(429), True, False, "status 429"),
        (status(500), True, False, "status 500"),
        (status(529), True, False, "status 529"),
        (status(529, in_stream=True), False, True, "status 529"),
        (
            ModelHTTPError.for_category(ModelQuotaExceededError, status_code=429, model_name="m"),
            False,
            False,
            "status 429",
        ),
        (broken("pool"), True, False, "the connection failed"),
        (broken("connect"), True, False, "the connection failed"),
        (broken("read"), True, True, "the connection failed"),
        (broken(), True, True, "the connection failed"),
        (broken("connect", ModelTimeoutError), True, False, "no answer in time"),
        (broken("read", ModelTimeoutError), False, True, "no answer in time"),
        (ModelAPIError("gpt-5-mini", "Failed to decode."), False, True, "no usable answer"),
    ],
)
def test_what_may_pass_is_tried_again(error, again, billed, words):
    assert (pause_before_retry(error, 0) is not None) == again
    assert (may_be_billed(error), reason(error)) == (billed, words)


@pytest.mark.parametrize(("attempt", "longest"), [(0, 0.5), (1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (60, 8)])
def test_pauses_grow_and_differ(attempt, longest):
    pauses = {pause_before_retry(status(500), attempt) for _ in range(50)}
    assert len(pauses) > 1
    assert all(0.75 * longest <= pause <= longest for pause in pauses)


@pytest.mark.parametrize(("asked", "pause"), [("0", 0), ("7", 7), ("60", 60), ("61", None)])
def test_provider_says_how_long(asked, pause):
    assert pause_before_retry(status(429, headers={"Retry-After": asked}), 0) == pause
