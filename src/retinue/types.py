"""Small values that every layer shares."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

JSON: TypeAlias = Any
"""A value that `json.dumps` accepts."""

USER = "user"
GUEST = "guest"
SYSTEM_TYPE = "system"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """For whom a run acts: a user, a guest (by a key of the site's own) or the system.

    `key` is text whatever the user's primary key is; empty for the system.
    """

    type: str
    key: str = ""

    @classmethod
    def of(cls, user: AbstractBaseUser) -> Principal:
        """The principal of a logged-in user."""
        return cls(type=USER, key=str(user.pk))

    @classmethod
    def guest(cls, key: str) -> Principal:
        """A visitor whom the site knows by `key` (a session's key, say)."""
        if not key:
            raise ValueError("A guest needs a key that tells one guest from another.")
        return cls(type=GUEST, key=key)

    @property
    def is_user(self) -> bool:
        return self.type == USER

    @property
    def is_system(self) -> bool:
        return self.type == SYSTEM_TYPE

    def __str__(self) -> str:
        return f"{self.type}:{self.key}" if self.key else self.type


SYSTEM = Principal(type=SYSTEM_TYPE)
"""The site's own code: commands without a user, triggers, schedules."""


def time_ordered_uuid() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): milliseconds first, so that ids sort by their time."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    return uuid.UUID(int=value & ~(0x3 << 62) | (0x2 << 62))
