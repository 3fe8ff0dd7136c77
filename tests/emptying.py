"""Emptying the database after a test whose transactions were real.

Django's `flush` truncates every table and has the apps make their content types and permissions anew, which takes
longer than most of the tests. Here rows are deleted instead, and content types and permissions stay for as long as
they are what the apps made.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db import connections

MADE = {model._meta.db_table: model for model in (ContentType, Permission)}

_as_made: dict[str, list[Any]] = {}
"""The rows of each database that the apps made, as they were after the last real `flush`."""


class Flush(flush.Command):
    """`flush` as TransactionTestCase calls it. Where more is asked for, or needed, it is Django's."""

    def handle(self, **options: Any) -> None:
        alias = options["database"]
        plain = not (options.get("reset_sequences", True) or options.get("inhibit_post_migrate"))
        if plain and _made(alias) == _as_made.get(alias):
            _delete(alias)
        else:
            super().handle(**options)
            _as_made[alias] = _made(alias)


def _made(alias: str) -> list[Any]:
    return [tuple(model._base_manager.using(alias).order_by("pk").values_list()) for model in MADE.values()]


def _delete(alias: str) -> None:
    connection = connections[alias]
    existing = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [connection.ops.quote_name(table) for table in existing if table not in MADE]
    statements = [f"DELETE FROM {table}" for table in tables]  # noqa: S608 - names of our models
    if connection.vendor == "postgresql":
        # As TRUNCATE does: what a killed process began may still be on its way to its commit.
        statements.insert(0, f"LOCK TABLE {', '.join(tables)}")
    connection.ops.execute_sql_flush(statements)
    ContentType.objects.clear_cache()
