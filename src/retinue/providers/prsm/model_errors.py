"""PRSM's errors as those that pydantic-ai's agents, fallbacks and the engine know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    TransportPhase,
    UnexpectedModelBehavior,
)

from retinue.providers.prsm import errors

_Category = type[
    ModelRateLimitError | ModelQuotaExceededError | ModelUnavailableError | ModelServerError | ModelRequestRejectedError
]
_CATEGORIES: dict[type[errors.PRSMError], tuple[_Category, int]] = {
    errors.AuthenticationError: (ModelAuthenticationError, 401),
    errors.InsufficientFundsError: (ModelQuotaExceededError, 402),
    errors.SafetyViolationError: (ModelRequestRejectedError, 451),
    errors.ModelNotFoundError: (ModelNotFoundError, 404),
    errors.RateLimitError: (ModelRateLimitError, 429),
    errors.ValidationError: (ModelRequestRejectedError, 422),
    errors.NotSupportedError: (ModelRequestRejectedError, 501),
}
"""The category of each, and the status of one that came without: inside a stream, say."""


@contextmanager
def as_model_errors(model_id: str, *, in_stream: bool = False) -> Iterator[None]:
    """What PRSM raises inside this block leaves it as an error of this model."""
    try:
        yield
    except errors.PRSMError as error:
        raise _model_error(error, model_id, in_stream) from error


def _model_error(error: errors.PRSMError, model_id: str, in_stream: bool) -> Exception:
    if isinstance(error, errors.InvalidResponseError):
        return UnexpectedModelBehavior(str(error))
    if isinstance(error, errors.NetworkError):
        return _connection_error(error, model_id, in_stream)
    category, status = _CATEGORIES.get(type(error), (_server_category(error), None))
    # Funds are 402 whatever the service answers with: those who read the status take a 400 for a wrong request.
    status = status if isinstance(error, errors.InsufficientFundsError) else error.status or status
    code = error.error_code or None
    if status is None:
        return ModelServerError(model_id, str(error), provider_error_code=code, in_stream=in_stream)
    return ModelHTTPError.for_category(
        category,
        status_code=status,
        model_name=model_id,
        body={"code": error.error_code, "message": str(error)},
        provider_error_code=code,
        retry_after=error.retry_after,
        in_stream=in_stream,
    )


def _server_category(error: errors.PRSMError) -> _Category | None:
    if not isinstance(error, errors.ServiceError):
        return None
    return ModelUnavailableError if error.status == 503 else ModelServerError


def _connection_error(error: errors.NetworkError, model_id: str, in_stream: bool) -> ModelAPIError:
    timed_out = isinstance(error.__cause__, httpx2.TimeoutException) or error.status == 504
    kind = ModelTimeoutError if timed_out else ModelConnectionError
    phase: TransportPhase = "read" if isinstance(error, errors.OutcomeUnknownError) else "connect"
    return kind(model_id, str(error), phase=phase, in_stream=in_stream)
