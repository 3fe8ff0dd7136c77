"""What every page shows around its own content."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from retinue.assistant.quotas import quotas
from retinue.budgets.units import Unit
from retinue.conf import get_settings
from retinue.sessions.models import AISession
from retinue.types import Principal

RECENT = 10
"""How many of the latest a page lists."""


def frame(request: HttpRequest, principal: Principal) -> dict[str, Any]:
    """The latest conversations, and what is left to use."""
    return {
        "sessions": sessions_of(principal).active()[:RECENT],
        "quotas": quotas(principal, request.user),
        "unit": Unit.CREDITS.shown,
    }


def sessions_of(principal: Principal) -> Any:
    return AISession.objects.using(get_settings().database).of(principal)
