"""What goes wrong on the command line, in one sentence and without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from retinue.errors import RetinueError


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Turn what the person at the keyboard can do something about into a CommandError."""
    try:
        yield
    except RetinueError as error:
        raise CommandError(" ".join(str(error).split())) from error
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(f"The database cannot be used: {first_line(error)}.") from error


def first_line(error: Exception) -> str:
    """The first line of what an error says, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
