"""What PRSM answers, read from JSON with its figures as they were sent."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from retinue.providers.prsm.errors import InvalidResponseError

logger = logging.getLogger("retinue.prsm")

MOST_FTNS = Decimal(10) ** 9
"""More is no charge for an answer (a thousand million FTNS are all that there will ever be)."""


class Number(Decimal):
    """A JSON number, with the characters that it was sent in."""

    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number


@dataclass(frozen=True, kw_only=True)
class PRSMAnswer:
    """An answer and what it took."""

    final_answer: str
    ftns_charged: Decimal | None
    """`None`: the service did not say."""
    ftns_charged_text: str
    """The charge exactly as sent; empty where it is not known."""
    processing_time: float
    """Seconds, as the service says, or as measured here where it does not."""
    quality_score: float | None
    """0 to 100; `None`: the service did not say."""
    query_id: str = ""
    model_used: str = ""
    tokens_used: int | None = None


@dataclass(frozen=True, kw_only=True)
class PRSMSession:
    """A conversation that the service keeps; times as it sent them."""

    session_id: str
    user_id: str
    created_at: str = ""
    expires_at: str = ""
    context: dict[str, Any] = field(default_factory=dict)


def loads(text: str | bytes) -> dict[str, Any]:
    """A JSON object, its numbers as `Number`. Raises InvalidResponseError for anything else."""
    try:
        value = json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        raise InvalidResponseError from None  # the text stays out of tracebacks
    if not isinstance(value, dict):
        raise InvalidResponseError
    return value


def charge_of(value: Any) -> tuple[Decimal | None, str]:
    """A charge as an amount and as it was sent, from a number or a text; unknown where it cannot be one."""
    if value is None:
        return None, ""
    text = value.text if isinstance(value, Number) else value if isinstance(value, str) else ""
    try:
        charge = Decimal(text)
    except ArithmeticError:
        charge = Decimal("NaN")
    if charge.is_finite() and 0 <= charge <= MOST_FTNS:
        return charge, text
    logger.warning("PRSM sent a charge that cannot be one; it counts as unknown.")
    return None, ""


def quality_of(answer: dict[str, Any]) -> float | None:
    """`quality_score`, or a hundred times `confidence_score`, where it lies between 0 and 100."""
    score = _number(answer.get("quality_score"))
    if score is None and (confidence := _number(answer.get("confidence_score"))) is not None:
        score = float(round(100 * confidence))
    return score if score is not None and 0 <= score <= 100 else None


def seconds_of(value: Any, measured: float) -> float:
    """The seconds that the service says, or those measured."""
    seconds = _number(value)
    return seconds if seconds is not None and seconds >= 0 else measured


def tokens_of(metadata: Any) -> int | None:
    """`tokens_used`, where it is a whole number."""
    tokens = _number(metadata.get("tokens_used")) if isinstance(metadata, dict) else None
    return int(tokens) if tokens is not None and 0 <= tokens < 1e12 else None


def text_of(value: Any) -> str:
    """A short text, such as an id; empty for anything else."""
    return value[:200] if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, Number) else None


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number in JSON.")
