"""Attempts at a model request that failed after they had used tokens: they cost, though nothing came of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_ai.usage import RequestUsage

    from retinue.providers.prices import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request that a provider had begun to bill when it failed."""

    model: str
    """The model's id, for instance `openai:gpt-5-mini`."""
    usage: RequestUsage
    """What the provider had reported until then: a lower bound."""
    price: Price
    error: str


_attempts: ContextVar[list[Attempt] | None] = ContextVar("retinue_attempts", default=None)


@contextmanager
def collecting() -> Iterator[list[Attempt]]:
    """The attempts that fail inside this block, whatever comes of the request in the end."""
    attempts: list[Attempt] = []
    token = _attempts.set(attempts)
    try:
        yield attempts
    finally:
        _attempts.reset(token)


def report(attempt: Attempt) -> None:
    """Say that an attempt failed after it had used tokens. Nothing happens where nobody collects."""
    attempts = _attempts.get()
    if attempts is not None:
        attempts.append(attempt)
