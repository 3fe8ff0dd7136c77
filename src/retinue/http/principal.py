"""For whom a request acts: its user, or the guest of its browser."""

from __future__ import annotations

import secrets

from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.auth.models import AnonymousUser
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


def renewed(request: HttpRequest) -> HttpRequest:
    """As if it came in now, for an answer that takes long: with the session and the user as they are by now.

    Only these two are there. Who was logged out since, or is not active any more, is nobody.
    """
    again, earlier = HttpRequest(), getattr(request, "session", None)
    again.session = {} if earlier is None else type(earlier)(earlier.session_key)
    again.user = AnonymousUser()
    if earlier is not None and SESSION_KEY in earlier:
        again.user = get_user(again)
    elif request.user.is_authenticated:  # by something that comes with each request, such as a token
        found = get_user_model()._default_manager.filter(pk=request.user.pk).first()
        if found is not None and found.is_active:
            again.user = found
    return again
