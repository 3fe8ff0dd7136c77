"""Attempts at a model request that failed after they had used tokens: they cost, though nothing came of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic_ai.messages import ModelResponse

if TYPE_CHECKING:
    from pydantic_ai.models import Model
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


def rejected(response: ModelResponse, model: Model) -> list[Attempt]:
    """The answers that a chain had before this one and did not accept, as its own rules say."""
    from retinue.providers.prices import price

    found = []
    for failed in response.failed_attempts or ():
        if failed.usage is not None:
            usage = replace(failed.usage, cost=None)  # pydantic-ai's estimate
            answer = ModelResponse([], usage=usage, model_name=failed.model_name, provider_name=failed.provider_name)
            name = f"{failed.provider_name}:{failed.model_name}"
            found.append(Attempt(model=name, usage=usage, price=price(answer, model), error="rejected"))
    return found
