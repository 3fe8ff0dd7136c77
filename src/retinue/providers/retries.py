"""Which failed requests are made again, and when."""

from __future__ import annotations

import random

from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
)

AGAIN = frozenset({408, 409, 429})
"""Statuses that may be others the next time, besides those of 500 and more."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
PATIENCE = 60.0
"""A provider that asks for a longer pause is not asked again."""


def pause_before_retry(error: ModelAPIError, attempt: int) -> float | None:
    """How many seconds to wait before the request is made again; None where it must not be.

    attempt: how many have failed before this one. A request that got no answer in time is not repeated: the provider
    may still be at work on it, and bills it.
    """
    if not _may_succeed(error):
        return None
    asked: float | None = error.retry_after
    if asked is not None:
        return asked if asked <= PATIENCE else None
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
    return float(pause * random.uniform(0.75, 1))  # noqa: S311 (so that many do not come back at once)


def _may_succeed(error: ModelAPIError) -> bool:
    if isinstance(error, ModelQuotaExceededError) or error.in_stream:
        return False
    if isinstance(error, ModelHTTPError):
        return error.status_code in AGAIN or error.status_code >= 500
    if isinstance(error, ModelTimeoutError):
        return not may_be_billed(error)
    return isinstance(error, ModelConnectionError)


def may_be_billed(error: BaseException) -> bool:
    """Whether the provider may bill a request that failed: it was sent, and no status came back."""
    if isinstance(error, ModelHTTPError):
        return error.in_stream
    if isinstance(error, ModelConnectionError):
        return error.phase not in ("pool", "connect")
    return True


def reason(error: BaseException) -> str:
    """Why a request failed, in a few words; nothing of what the provider wrote."""
    match error:
        case ModelHTTPError(status_code=401 | 403):
            return "the key was refused"
        case ModelHTTPError():
            return f"status {error.status_code}"
        case ModelTimeoutError():
            return "no answer in time"
        case ModelConnectionError():
            return "the connection failed"
        case _:
            return "no usable answer"
