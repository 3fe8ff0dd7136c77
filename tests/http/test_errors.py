"""Every error has its status, a sentence and a code."""

import json
import logging

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404

from retinue import errors
from retinue.executions.models import AgentExecution
from retinue.http.errors import error_response, status_of

WRONG = "Something went wrong on our side; it is in the log."


def failed(code, message="The sentence of the run."):
    return errors.ExecutionFailed(AgentExecution(error_code=code, error_message=message))


@pytest.mark.parametrize(
    ("error", "status", "code", "sentence"),
    [
        (errors.InvalidInput("The prompt is empty."), 400, "invalid_input", "The prompt is empty."),
        (errors.InvalidArguments("stock: not a number"), 400, "invalid_arguments", "stock: not a number"),
        (errors.BudgetExceeded(), 402, "budget_exceeded", "The budget does not reach for this."),
        (errors.MaxCostExceeded(), 402, "max_cost", "The run has reached the cost that it was allowed."),
        (errors.AgentPermissionDenied(), 403, "permission_denied", "The permission that this needs is missing."),
        (
            errors.DecisionNotAllowed(),
            403,
            "decision_not_allowed",
            "Only the run's own user and holders of retinue.decide_approval may decide this.",
        ),
        (errors.UnknownAgent(), 404, "unknown_agent", "There is no agent of that name."),
        (errors.UnknownSession(), 404, "unknown_session", "There is no such session."),
        (errors.AlreadyDecided(), 409, "already_decided", "The approval was decided before."),
        (
            errors.IdempotencyConflict(),
            409,
            "idempotency_conflict",
            "This idempotency key was used before, with another input.",
        ),
        (
            errors.IllegalTransition(),
            409,
            "illegal_transition",
            "The execution is not in a state that allows this.",
        ),
        (errors.SessionBusy(), 409, "session_busy", "The session still answers another message."),
        (
            errors.SessionClosed(),
            409,
            "session_closed",
            "The session is closed: it can be read, but takes no more messages.",
        ),
        (errors.ModelsFailed(), 502, "models_failed", "No model of a fallback chain answered."),
        (errors.ExecutionWaiting(None), 202, "waiting", "The execution waits for a person or a time."),
        (errors.ExecutionCancelled(None), 409, "cancelled", "The execution was cancelled."),
        (failed("timeout"), 504, "timeout", "The sentence of the run."),
        (failed("budget_exceeded"), 402, "budget_exceeded", "The sentence of the run."),
        (failed("model_error"), 502, "model_error", "The sentence of the run."),
        (failed("model_rate_limit"), 503, "model_rate_limit", "The sentence of the run."),
        (failed("permission_denied"), 403, "permission_denied", "The sentence of the run."),
        (failed("a code of the future"), 500, "a code of the future", "The sentence of the run."),
        (failed("", ""), 500, "failed", "The execution failed."),
        (PermissionDenied("User 7 is on the list of secret agents."), 403, "permission_denied", "You may not do this."),
        (Http404("No Product matches the given query."), 404, "not_found", "There is no such thing here."),
        (RequestDataTooBig(), 400, "invalid_input", "The body is too large."),
        (TooManyFieldsSent(), 400, "invalid_input", "The body is too large."),
        (TooManyFilesSent(), 400, "invalid_input", "The body is too large."),
        (errors.ConfigurationError("OPENAI_API_KEY is missing."), 500, "configuration", WRONG),
        (errors.PriceUnknown(), 500, "price_unknown", WRONG),
        (ValueError("password=secret"), 500, "error", WRONG),
        (KeyError("id"), 500, "error", WRONG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_error(error, status, code, sentence):
    response = error_response(error)
    assert (response.status_code, json.loads(response.content)) == (status, {"detail": sentence, "code": code})
    assert status_of(error) == status


def test_key_of_the_sentence():
    content = json.loads(error_response(errors.InvalidInput("Missing prompt"), key="error").content)
    assert content == {"error": "Missing prompt", "code": "invalid_input"}


def test_what_nobody_foresaw_is_in_the_log(caplog):
    with caplog.at_level(logging.ERROR, "retinue.http"):
        error_response(ValueError("the details"))
        error_response(errors.SessionBusy())
    (entry,) = caplog.records
    assert str(entry.exc_info[1]) == "the details"
