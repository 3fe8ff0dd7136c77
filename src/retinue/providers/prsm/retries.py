"""When a request is sent again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass

from retinue.providers.prsm.errors import NetworkError, PRSMError, RateLimitError, ServiceError

LONGEST_PAUSE = 60.0
"""Seconds. A service that asks for more is not waited for: the caller is told how long it would be."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often, and with which pauses in seconds. Only what the service did nothing for is sent again."""

    most: int = 3
    first_pause: float = 0.5

    def pause(self, error: PRSMError, made: int) -> float | None:
        """How long to wait after this error, when `made` retries were made; `None`: give up."""
        if made >= self.most or not is_repeatable(error):
            return None
        if error.retry_after is None:
            return min(self.first_pause * 2.0**made, LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
        # Later than asked, never earlier; spread, so that those who were refused together do not come together.
        asked = error.retry_after
        return asked * random.uniform(1, 1.1) if asked <= LONGEST_PAUSE else None  # noqa: S311


def is_repeatable(error: PRSMError) -> bool:
    """Whether nothing was sent, or the service says that it is too busy (429, 502, 503)."""
    if isinstance(error, ServiceError):
        return error.status in (502, 503)
    return isinstance(error, RateLimitError) or type(error) is NetworkError
