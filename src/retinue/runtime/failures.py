"""What people are told of a run that failed: a stable code and a sentence, never an exception's raw text."""

from __future__ import annotations

from pydantic_ai import UnexpectedModelBehavior, UsageLimitExceeded
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, ModelTimeoutError, UserError

from retinue.errors import RetinueError


def explain(error: BaseException) -> tuple[str, str]:
    """The code and the sentence for an error that ended a run."""
    match error:
        case RetinueError():
            return error.code, str(error)
        case TimeoutError():
            return "timeout", "The run took longer than it may."
        case UsageLimitExceeded():
            return "usage_limit", f"The run reached a limit of its usage: {error.message}"
        case ModelHTTPError(status_code=401 | 403):
            return "model_authentication", f"The provider of {error.model_name} refused the key."
        case ModelHTTPError(status_code=402):
            return "model_funds", f"The account at the provider of {error.model_name} has not enough funds for this."
        case ModelHTTPError(status_code=429):
            return "model_rate_limit", f"The provider of {error.model_name} has had too many requests."
        case ModelHTTPError():
            return "model_error", f"The provider of {error.model_name} answered with status {error.status_code}."
        case ModelTimeoutError():
            return "model_error", f"The provider of {error.model_name} did not answer in time."
        case ModelAPIError():
            return "model_error", f"The provider of {error.model_name} could not be reached or broke off."
        case UnexpectedModelBehavior():
            return "model_behavior", "The model did not give an answer that can be used."
        case UserError():
            return "configuration", "The agent is not set up correctly; the log has the details."
        case _:
            kind = type(error).__name__
            return "error", f"The run stopped with an unexpected error ({kind}); the log has the details."
