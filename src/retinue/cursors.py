"""Cursors for statements whose text never changes: PostgreSQL parses and plans them once for a connection."""

from __future__ import annotations

from typing import Any

from django.db import connections

PREPARE_AFTER = 5
"""How often a statement runs on a connection before it is prepared there (psycopg's own default)."""


def constant_cursor(alias: str) -> Any:
    """A Django cursor for statements of constant text.

    On PostgreSQL Django writes the parameters into the text, which makes every execution a new statement. This
    cursor sends them apart, and prepares: unless a pooler lends a connection for a transaction only
    (`DISABLE_SERVER_SIDE_CURSORS`), or the site says when by `OPTIONS["prepare_threshold"]`.
    """
    connection = connections[alias]
    cursor = connection.cursor()
    if connection.vendor == "postgresql":
        import psycopg

        settings = connection.settings_dict
        if not settings.get("DISABLE_SERVER_SIDE_CURSORS") and "prepare_threshold" not in settings["OPTIONS"]:
            connection.connection.prepare_threshold = PREPARE_AFTER
        cursor.cursor = psycopg.Cursor(connection.connection)
    return cursor
