"""Which table, which database, and how values are given to it."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connections
from pydantic_core import to_json

from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep

EXECUTIONS = AgentExecution._meta.db_table
STEPS = ExecutionStep._meta.db_table
EVENTS = ExecutionEvent._meta.db_table


@lru_cache(maxsize=8)
def is_postgresql(alias: str) -> bool:
    return connections[alias].vendor == "postgresql"


def recordset(rows: list[dict[str, Any]]) -> str:
    """Rows as one JSON parameter, which costs a fraction of what an array for each column does."""
    return to_json(rows).decode()


def as_hex(value: bytes | None) -> str | None:
    """Bytes as PostgreSQL reads them in a text."""
    return None if value is None else "\\x" + value.hex()


def as_sqlite(alias: str, values: list[Any]) -> list[Any]:
    ops = connections[alias].ops
    return [
        ops.adapt_datetimefield_value(v) if isinstance(v, datetime) else v.hex if isinstance(v, UUID) else v
        for v in values
    ]
