"""Whether there is a database to work on."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db import connections

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution


def has_tables() -> bool:
    """Whether Retinue was migrated. Raises DatabaseError or InterfaceError where the database is away."""
    tables = connections[get_settings().database].introspection.table_names()
    return AgentExecution._meta.db_table in tables


def require_tables() -> None:
    """See has_tables(). Raises CommandError where it was not."""
    if not has_tables():
        raise CommandError("Retinue's tables are missing: run `manage.py migrate` first.")
