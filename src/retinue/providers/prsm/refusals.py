"""From a refusal on the wire, in the shapes that it has there, to its error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from retinue.providers.prsm.answers import Number
from retinue.providers.prsm.errors import (
    AuthenticationError,
    InsufficientFundsError,
    ModelNotFoundError,
    NotSupportedError,
    OutcomeUnknownError,
    PRSMError,
    RateLimitError,
    SafetyViolationError,
    ServiceError,
    ValidationError,
)

_BY_CODE: dict[str, type[PRSMError]] = {
    "INVALID_API_KEY": AuthenticationError,
    "RATE_LIMIT_EXCEEDED": RateLimitError,
    "BUDGET_EXCEEDED": InsufficientFundsError,
    "MODEL_NOT_FOUND": ModelNotFoundError,
    "INVALID_INPUT": ValidationError,
    "REQUEST_TOO_LARGE": ValidationError,
    "PROVIDER_ERROR": ServiceError,
}
_BY_STATUS: dict[int, type[PRSMError]] = {
    400: ValidationError,
    401: AuthenticationError,
    402: InsufficientFundsError,
    403: AuthenticationError,
    404: NotSupportedError,
    405: NotSupportedError,
    412: ValidationError,
    413: ValidationError,
    422: ValidationError,
    429: RateLimitError,
    451: SafetyViolationError,
    501: NotSupportedError,
    504: OutcomeUnknownError,  # a gateway gave up waiting for what it had passed on
}
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_FIELD = re.compile(r"[A-Za-z_]\w{0,63}")


def refusal(status: int | None, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> PRSMError:
    """The error for a refusal. `status` is None where it came inside an answer."""
    reason = body.get("error") or body.get("detail")
    reported: dict[str, Any] = reason if isinstance(reason, dict) else body
    code = _matching(_CODE, reported.get("code"))
    details = _details(reason)
    kind = _kind(status, code)
    message = kind.__doc__ or ""
    if kind in (PRSMError, ServiceError) and status is not None:
        message = f"PRSM failed to answer (status {status})."
    elif kind is ValidationError and (field := details.get("field")):
        message = f"PRSM refused the request as not valid: {field}."
    return kind(
        " ".join(message.split()),
        code,
        details,
        status=status,
        retry_after=_retry_after(headers or {}, body, reported, details),
    )


def _kind(status: int | None, code: str) -> type[PRSMError]:
    if code.startswith("INSUFFICIENT_"):
        return InsufficientFundsError
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status is None or status >= 500:
        return _BY_STATUS.get(status or 0, ServiceError)
    return _BY_STATUS.get(status, PRSMError)


def _details(reason: Any) -> dict[str, Any]:
    """What the service says beside the code; `field` is one of the request's fields, and nothing else."""
    details: dict[str, Any] = {}
    if isinstance(reason, str):
        details["message"] = reason
    elif isinstance(reason, list):
        details["errors"] = reason
    elif isinstance(reason, dict):
        details.update(reason["details"] if isinstance(reason.get("details"), dict) else {})
        if isinstance(reason.get("message"), str):
            details["message"] = reason["message"]
    field = _matching(_FIELD, details.pop("field", None)) or _field_of(reason)
    return {**details, "field": field} if field else details


def _field_of(errors: Any) -> str:
    """The field of the first error in a list of them, each with its `loc`."""
    first = errors[0] if isinstance(errors, list) and errors else None
    place = first.get("loc") if isinstance(first, dict) else None
    return _matching(_FIELD, place[-1]) if isinstance(place, list) and place else ""


def _retry_after(headers: Mapping[str, str], *places: dict[str, Any]) -> float | None:
    """Seconds, wherever they stand; a date in the header is not read."""
    values: list[Any] = [headers.get("retry-after")]
    values += [place.get(key) for place in places for key in ("retry_after", "retry_after_seconds")]
    for value in values:
        try:
            seconds = Decimal(value) if isinstance(value, str | Number) else None
        except ArithmeticError:
            continue
        if seconds is not None and seconds.is_finite() and seconds >= 0:
            return float(seconds)
    return None


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
