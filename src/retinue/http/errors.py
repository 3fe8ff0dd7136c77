"""Errors as clients get them: a status, a sentence and a stable code."""

from __future__ import annotations

import logging

from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404, JsonResponse
from django.utils.translation import gettext as _

from retinue.errors import ExecutionError, ExecutionFailed, RetinueError

logger = logging.getLogger("retinue.http")

TOO_LARGE = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
"""What Django says of a body beyond its limits."""

STATUSES = {
    "waiting": 202,
    "invalid_input": 400,
    "invalid_arguments": 400,
    "budget_exceeded": 402,
    "max_cost": 402,
    "permission_denied": 403,
    "decision_not_allowed": 403,
    "not_found": 404,
    "unknown_agent": 404,
    "unknown_session": 404,
    "already_decided": 409,
    "cancelled": 409,
    "idempotency_conflict": 409,
    "illegal_transition": 409,
    "session_busy": 409,
    "session_closed": 409,
    "model_authentication": 502,
    "model_behavior": 502,
    "model_error": 502,
    "model_funds": 502,
    "models_failed": 502,
    "prsm": 502,
    "model_rate_limit": 503,
    "timeout": 504,
}
"""The status for each code; 500 for the others."""


def code_of(error: BaseException) -> str:
    """The code of an error; that of a failed execution is its own."""
    match error:
        case ExecutionFailed(execution=execution) if execution.error_code:
            return execution.error_code
        case RetinueError():
            return error.code
        case PermissionDenied():
            return "permission_denied"
        case Http404():
            return "not_found"
        case _ if isinstance(error, TOO_LARGE):
            return "invalid_input"
        case _:
            return "error"


def status_of(error: BaseException) -> int:
    """The HTTP status for an error."""
    return STATUSES.get(code_of(error), 500)


def sentence_of(error: BaseException) -> str:
    """What a client is told of an error: never the text of an exception that is not Retinue's."""
    match error:
        case ExecutionFailed(execution=execution) if execution.error_message:
            return execution.error_message
        case RetinueError() if isinstance(error, ExecutionError) or status_of(error) != 500:
            return str(error)
        case PermissionDenied():
            return _("You may not do this.")
        case Http404():
            return _("There is no such thing here.")
        case _ if isinstance(error, TOO_LARGE):
            return _("The body is too large.")
        case _:
            return _("Something went wrong on our side; it is in the log.")


def error_response(error: BaseException, key: str = "detail") -> JsonResponse:
    """An error as JSON: its sentence under `key`, and its `code`. What nobody foresaw goes to the log, too."""
    status = status_of(error)
    if status == 500:
        logger.error("A request failed", exc_info=error)
    return refusal(status, code_of(error), sentence_of(error), key)


def refusal(status: int, code: str, sentence: str, key: str = "detail") -> JsonResponse:
    """What a client gets in place of what it asked for."""
    return JsonResponse({key: sentence, "code": code}, status=status)
