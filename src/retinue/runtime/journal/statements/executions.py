"""Executions: new rows."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections

from retinue.cursors import constant_cursor
from retinue.executions.models import AgentExecution
from retinue.runtime.journal.statements.tables import EXECUTIONS, as_hex, as_sqlite, is_postgresql, recordset

_GIVEN = [
    "user_id",
    "id",
    "kind",
    "agent_name",
    "agent_digest",
    "principal_type",
    "principal_key",
    "status",
    "input_prompt",
    "input",
    "created_at",
    "started_at",
    "root_id",
    "parent_id",
    "path",
    "queue",
    "priority",
    "run_after",
    "idempotency_key",
    "lease_token",
    "lease_expires",
    "attached",
    "stream",
    "session_id",
    "replaces_id",
]
_INPUT = _GIVEN.index("input")
_DEFAULTS = {
    "output_data": "NULL",
    "error_code": "''",
    "error_message": "''",
    "completed_at": "NULL",
    "execution_time": "0",
    "tokens_used": "0",
    "cost": "NULL",
    "charge": "NULL",
    "quality_score": "NULL",
    "from_cache": "false",
    "retry_of_id": "NULL",
    "rating": "NULL",
    "rating_note": "''",
    "attempts": "0",
}
_INSERTION = (
    f"INSERT INTO {EXECUTIONS} ({', '.join([*_GIVEN, *_DEFAULTS])}) "
    f"VALUES ({', '.join([*['%s'] * len(_GIVEN), *_DEFAULTS.values()])})"
)
_INSERTION_POSTGRESQL = (
    f"INSERT INTO {EXECUTIONS} ({', '.join([*_GIVEN, *_DEFAULTS])}) "
    f"SELECT {', '.join([*_GIVEN, *_DEFAULTS.values()])} FROM json_populate_recordset(NULL::{EXECUTIONS}, %s::json)"
)


def insert_executions(alias: str, executions: Sequence[AgentExecution]) -> None:
    """New rows, which have nothing but defaults in the columns that a run fills."""
    connection = connections[alias]
    user = AgentExecution._meta.get_field("user")
    rows = [[getattr(row, name) for name in _GIVEN] for row in executions]
    for values in rows:
        values[0] = user.get_db_prep_save(values[0], connection)  # a user's key may be of any type
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            given = [dict(zip(_GIVEN, values, strict=True)) | {"input": as_hex(values[_INPUT])} for values in rows]
            cursor.execute(_INSERTION_POSTGRESQL, [recordset(given)])
        else:
            cursor.executemany(_INSERTION, [as_sqlite(alias, values) for values in rows])
