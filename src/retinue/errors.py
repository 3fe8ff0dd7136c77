"""What can go wrong, as one tree.

RetinueError
 ├─ ConfigurationError
 ├─ UnknownAgent
 ├─ DuplicateAgent
 ├─ AgentPermissionDenied       (also django.core.exceptions.PermissionDenied)
 ├─ InvalidInput
 ├─ IdempotencyConflict
 ├─ TransactionOpen
 ├─ ReplayDiverged
 ├─ ModelsFailed
 ├─ MaxCostExceeded
 ├─ BudgetExceeded              (has .unit, .needed, .available, .execution)
 ├─ PriceUnknown
 ├─ IllegalTransition
 ├─ UnknownSession
 ├─ SessionClosed
 ├─ SessionBusy
 ├─ DecisionError
 │   ├─ AlreadyDecided
 │   ├─ DecisionNotAllowed
 │   └─ InvalidArguments
 └─ ExecutionError              (has .execution)
     ├─ ExecutionWaiting
     ├─ ExecutionFailed
     └─ ExecutionCancelled

`code` is stable: it is stored on executions and answered over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.core.exceptions import AppRegistryNotReady, ImproperlyConfigured, PermissionDenied
from django.utils.translation import gettext_lazy
from django.utils.translation.trans_null import gettext_noop  # the other one asks for the settings

if TYPE_CHECKING:
    from decimal import Decimal

    from retinue.executions.models import AgentExecution


class RetinueError(Exception):
    __doc__ = gettext_noop("Something went wrong in Retinue.")

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or gettext_lazy(" ".join((self.__doc__ or "").split())))

    def __str__(self) -> str:
        try:
            return super().__str__()
        except (AppRegistryNotReady, ImproperlyConfigured):  # too early to translate anything
            return " ".join((self.__doc__ or "").split())


class ConfigurationError(RetinueError):
    __doc__ = gettext_noop("The settings do not allow this.")

    code = "configuration"


class UnknownAgent(RetinueError):
    __doc__ = gettext_noop("There is no agent of that name.")

    code = "unknown_agent"


class DuplicateAgent(RetinueError):
    __doc__ = gettext_noop("Two agents have the same name.")

    code = "duplicate_agent"


class AgentPermissionDenied(RetinueError, PermissionDenied):
    __doc__ = gettext_noop("The permission that this needs is missing.")

    code = "permission_denied"


class InvalidInput(RetinueError):
    __doc__ = gettext_noop("What was given cannot be used.")

    code = "invalid_input"


class IdempotencyConflict(RetinueError):
    __doc__ = gettext_noop("This idempotency key was used before, with another input.")

    code = "idempotency_conflict"


class TransactionOpen(RetinueError):
    __doc__ = gettext_noop(
        "A run cannot be waited for inside an open transaction. It would not see the rows that the transaction wrote, "
        "and would not be undone with it. Use `enqueue(...)`, which commits with the transaction, or take the view "
        "out of its transaction with `transaction.non_atomic_requests`."
    )

    code = "transaction_open"


class ReplayDiverged(RetinueError):
    __doc__ = gettext_noop("The code asks for something else than the journal holds.")

    code = "replay_diverged"


class ModelsFailed(RetinueError):
    """No model of a fallback chain answered."""

    code = "models_failed"


class MaxCostExceeded(RetinueError):
    __doc__ = gettext_noop("The run has reached the cost that it was allowed.")

    code = "max_cost"


class BudgetExceeded(RetinueError):
    """The budget does not reach for this.

    `unit`, `needed`, `available`: what was to be set aside and what was left, where that is known. `execution`: the
    run that was refused, where there was one already.
    """

    code = "budget_exceeded"

    def __init__(
        self,
        message: str = "",
        *,
        unit: str = "",
        needed: Decimal | None = None,
        available: Decimal | None = None,
        execution: AgentExecution | None = None,
    ) -> None:
        super().__init__(message or "The budget does not reach for this.")
        self.unit = unit
        self.needed = needed
        self.available = available
        self.execution = execution


class PriceUnknown(RetinueError):
    """The price of the model is not known, and a budget in money applies."""

    code = "price_unknown"


class IllegalTransition(RetinueError):
    __doc__ = gettext_noop("The execution is not in a state that allows this.")

    code = "illegal_transition"


class UnknownSession(RetinueError):
    __doc__ = gettext_noop("There is no such session.")

    code = "unknown_session"


class SessionClosed(RetinueError):
    __doc__ = gettext_noop("The session is closed: it can be read, but takes no more messages.")

    code = "session_closed"


class SessionBusy(RetinueError):
    __doc__ = gettext_noop("The session still answers another message.")

    code = "session_busy"


class DecisionError(RetinueError):
    __doc__ = gettext_noop("The approval cannot be decided like this.")

    code = "decision"


class AlreadyDecided(DecisionError):
    __doc__ = gettext_noop("The approval was decided before.")

    code = "already_decided"


class DecisionNotAllowed(DecisionError, PermissionDenied):
    __doc__ = gettext_noop("Only the run's own user and holders of retinue.decide_approval may decide this.")

    code = "decision_not_allowed"


class InvalidArguments(DecisionError):
    __doc__ = gettext_noop("The changed arguments are not valid for the tool.")

    code = "invalid_arguments"


class ExecutionError(RetinueError):
    __doc__ = gettext_noop("The execution did not complete.")

    code = "execution"

    def __init__(self, execution: AgentExecution, message: str = "") -> None:
        super().__init__(message)
        self.execution = execution


class ExecutionWaiting(ExecutionError):
    __doc__ = gettext_noop("The execution waits for a person or a time.")

    code = "waiting"


class ExecutionFailed(ExecutionError):
    __doc__ = gettext_noop("The execution failed.")

    code = "failed"


class ExecutionCancelled(ExecutionError):
    __doc__ = gettext_noop("The execution was cancelled.")

    code = "cancelled"
