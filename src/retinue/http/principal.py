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
    return _guest(request.session.get(GUEST_KEY))


async def arequest_principal(request: HttpRequest) -> Principal | None:
    """See request_principal()."""
    user = await request.auser()
    if user.is_authenticated:
        return Principal.of(user)
    return _guest(await request.session.aget(GUEST_KEY))


def guest_principal(request: HttpRequest) -> Principal:
    """As request_principal(), and a new guest where the browser has none.

    Who holds the session's cookie is this guest; what he did stays his, and does not become a user's when one logs in.
    """
    principal = request_principal(request)
    if principal is None:
        request.session[GUEST_KEY] = _new_key()
        principal = Principal.guest(request.session[GUEST_KEY])
    return principal


async def aguest_principal(request: HttpRequest) -> Principal:
    """See guest_principal()."""
    principal = await arequest_principal(request)
    if principal is None:
        key = _new_key()
        await request.session.aset(GUEST_KEY, key)
        principal = Principal.guest(key)
    return principal


def _guest(key: str | None) -> Principal | None:
    return Principal.guest(key) if key else None


def _new_key() -> str:
    return secrets.token_urlsafe(24)
