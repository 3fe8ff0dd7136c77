"""Users as they are named on the command line."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from retinue.agents.deps import to_user_id
from retinue.types import SYSTEM, Principal


def find_user(name: str) -> Any:
    """The user who logs in by this name. Raises CommandError."""
    users = get_user_model()
    try:
        if "\x00" not in name:  # which PostgreSQL would not take
            return _users().get_by_natural_key(name)
    except users.DoesNotExist:
        pass
    raise CommandError(f"There is no user whose {users.USERNAME_FIELD} is {name!r}.")


def find_user_by_id(text: str) -> Any:
    """The user with this primary key, whatever its type. Raises CommandError."""
    try:
        found = _users().filter(pk=to_user_id(text)).first()
    except (ValidationError, ValueError):
        raise CommandError(f"{text!r} cannot be the id of a user.") from None
    if found is None:
        raise CommandError(f"There is no user with the id {text!r}.")
    return found


def for_whom(name: str | None, user_id: str | None) -> tuple[Any, Principal | None]:
    """The user that one of the options names; the system where neither does."""
    if name is not None and user_id is not None:
        raise CommandError("Give --user or --user-id, not both.")
    if name is not None:
        return find_user(name), None
    if user_id is not None:
        return find_user_by_id(user_id), None
    return None, SYSTEM


def _users() -> Any:
    return get_user_model()._default_manager
