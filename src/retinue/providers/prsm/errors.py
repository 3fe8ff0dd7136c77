"""What can go wrong with PRSM, as one tree.

PRSMError                      (a RetinueError; has .error_code, .details, .status)
 ├─ AuthenticationError
 ├─ InsufficientFundsError     (has .required, .available)
 ├─ SafetyViolationError
 ├─ ModelNotFoundError
 ├─ RateLimitError             (has .retry_after)
 ├─ ValidationError            (has .field)
 ├─ NotSupportedError
 ├─ ServiceError               (has .retry_after)
 ├─ InvalidResponseError
 └─ NetworkError               (nothing was sent, unless it is an)
     └─ OutcomeUnknownError    (sent, but not answered to the end: it may have been charged)

A message is a sentence of ours: no key, no address and nothing that the service wrote stands in it.
What the service wrote is in `details`, for the developer.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from retinue.errors import RetinueError


class PRSMError(RetinueError):
    """PRSM did not answer."""

    code = "prsm"

    def __init__(
        self,
        message: str = "",
        error_code: str = "",
        details: dict[str, Any] | None = None,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.details = details or {}
        self.status = status
        """The HTTP status; `None` where there was none, or the error came inside an answer."""
        self.retry_after = retry_after
        """Seconds that the service asks to wait."""


class AuthenticationError(PRSMError):
    """PRSM refused the key."""


class InsufficientFundsError(PRSMError):
    """PRSM was not given enough FTNS, or the account has not enough of them."""

    @property
    def required(self) -> Decimal | None:
        """FTNS that it would take, where the service says so."""
        return self._amount("required")

    @property
    def available(self) -> Decimal | None:
        """FTNS that there are, where the service says so."""
        return self._amount("available")

    def _amount(self, name: str) -> Decimal | None:
        value = self.details.get(name)
        return value if isinstance(value, Decimal) else None


class SafetyViolationError(PRSMError):
    """PRSM refused the request for safety's sake."""


class ModelNotFoundError(PRSMError):
    """PRSM does not have this model."""


class RateLimitError(PRSMError):
    """PRSM has had too many requests."""


class ValidationError(PRSMError):
    """PRSM refused the request as not valid."""

    @property
    def field(self) -> str:
        """The field that is not valid, where the service says which."""
        return str(self.details.get("field", ""))


class NotSupportedError(PRSMError):
    """This PRSM service does not offer what was asked for; look at its address and dialect."""


class ServiceError(PRSMError):
    """PRSM failed to answer."""


class InvalidResponseError(PRSMError):
    """PRSM gave an answer that cannot be read."""


class NetworkError(PRSMError):
    """PRSM could not be reached."""


class OutcomeUnknownError(NetworkError):
    """PRSM was asked but did not answer to the end; it may have charged for it, so it is not asked again."""
