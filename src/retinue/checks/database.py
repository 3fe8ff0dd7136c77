"""SQLite without the options that this work needs."""

from __future__ import annotations

import re
from typing import Any, get_type_hints

from django.conf import settings as django_settings
from django.core import checks
from django.db import connections

from retinue.checks.values import TAG, fits
from retinue.conf import Settings

SQLITE_OPTIONS = """\
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "timeout": 20,
    },"""


SQLITE_TIMEOUT = 5.0
"""What Python's sqlite3 takes where nothing is said."""


@checks.register(TAG)
def check_sqlite(**kwargs: Any) -> list[checks.CheckMessage]:
    """SQLite locks out other writers, and gives up on them, unless it is told otherwise."""
    alias = _setting("DATABASE")
    if alias not in connections or connections[alias].vendor != "sqlite":
        return []
    missing = _missing_options(connections[alias].settings_dict)
    if not missing:
        return []
    kind, code = (checks.Warning, "W007") if django_settings.DEBUG else (checks.Error, "E007")
    return [
        kind(
            f"DATABASES[{alias!r}] is SQLite without {', '.join(missing)}: what works at the same time would "
            "fail with “database is locked”.",
            hint=f"Have this in DATABASES[{alias!r}]:\n{SQLITE_OPTIONS}",
            id=f"retinue.{code}",
        )
    ]


def _setting(key: str) -> Any:
    """A value of RETINUE, or its default while RETINUE itself is wrong: that is said elsewhere."""
    given = getattr(django_settings, "RETINUE", {})
    default = getattr(Settings, key.lower())
    value = given.get(key, default) if isinstance(given, dict) else default
    return value if fits(value, get_type_hints(Settings)[key.lower()]) else default


def _missing_options(database: dict[str, Any]) -> list[str]:
    name, options = str(database["NAME"]), database.get("OPTIONS", {})
    if name == ":memory:" or "mode=memory" in name:
        return []  # of one process only, as Django's test runner makes it
    missing = []
    if str(options.get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        missing.append("transaction_mode IMMEDIATE")
    if not re.search(r"journal_mode\s*=\s*['\"]?wal\b", str(options.get("init_command", "")), re.IGNORECASE):
        missing.append("journal_mode WAL")
    longest = _setting("TOOL_TRANSACTION_SECONDS")
    if not options.get("timeout", SQLITE_TIMEOUT) > longest:
        missing.append(f"a timeout over {longest:g} seconds")
    return missing
