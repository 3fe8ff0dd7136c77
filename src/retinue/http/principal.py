"""For whom a request acts: its user, or the guest of its browser."""

from __future__ import annotations

import secrets

from django.http import HttpRequest

from retinue.types import Principal

GUEST_KEY = "retinue_guest"
"""Where the Django session keeps what tells this browser's guest from others."""


def request_principal(request: HttpRequest) -> Principal | None:
    """The logged-in user, else the guest of this browser if it has one."""
    if request.user.is_authenticated:
        return Principal.of(request.user)
    key = request.session.get(GUEST_KEY)
    return Principal.guest(key) if key else None


def guest_principal(request: HttpRequest) -> Principal:
    """As request_principal(), and a new guest where the browser has none.

    Who holds the session's cookie is this guest; what he did stays his, and does not become a user's when one logs in.
    """
    principal = request_principal(request)
    if principal is None:
        request.session[GUEST_KEY] = secrets.token_urlsafe(24)
        principal = Principal.guest(request.session[GUEST_KEY])
    return principal
