"""Leases: who holds a root, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections
from pydantic_core import to_json

from retinue.cursors import constant_cursor
from retinue.runtime.journal.statements.tables import EXECUTIONS, is_postgresql, recordset

HELD = (
    f"SELECT id, lease_token FROM {EXECUTIONS} WHERE id = ANY(ARRAY({{}})) AND status = 'running'"
    " ORDER BY id FOR NO KEY UPDATE"
)
_HOLD_POSTGRESQL = (
    f"SELECT id, lease_token FROM {EXECUTIONS} WHERE id = ANY(%s) AND lease_token = ANY(%s) AND status = 'running'"
    " ORDER BY id FOR NO KEY UPDATE"
)
_HOLD_SQLITE = f"SELECT 1 FROM {EXECUTIONS} WHERE id = %s AND lease_token = %s AND status = 'running'"


def hold(alias: str, held: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Lock these `(root id, lease token)` until the transaction ends; give those that are still held."""
    ids, tokens = [pair[0] for pair in held], [pair[1] for pair in held]
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            cursor.execute(_HOLD_POSTGRESQL, [ids, tokens])
            return set(cursor.fetchall()) & set(held)
        found = set()
        for execution_id, token in held:
            cursor.execute(_HOLD_SQLITE, [execution_id.hex, token.hex])
            if cursor.fetchone():
                found.add((execution_id, token))
        return found


def lost_leases(alias: str, held: Sequence[tuple[UUID, UUID]]) -> set[UUID]:
    """The ids of those `(root id, lease token)` that are not held any more."""
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            cursor.execute(_LOST_POSTGRESQL, [recordset([{"id": pk, "token": token} for pk, token in held])])
            return {row[0] for row in cursor.fetchall()}
        cursor.execute(_LOST_SQLITE, [_as_hex(held)])
        return {UUID(row[0]) for row in cursor.fetchall()}


_LOST = (
    f"SELECT g.id FROM ({{}}) g WHERE NOT EXISTS (SELECT 1 FROM {EXECUTIONS} e"
    " WHERE e.id = g.id AND e.lease_token = g.token AND e.status = 'running')"
)
_LOST_POSTGRESQL = _LOST.format("SELECT * FROM json_to_recordset(%s::json) AS g(id uuid, token uuid)")
_GIVEN_SQLITE = "SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS token FROM json_each(%s)"
_LOST_SQLITE = _LOST.format(_GIVEN_SQLITE)


def _as_hex(held: Sequence[tuple[UUID, UUID]]) -> str:
    return to_json([(pk.hex, token.hex) for pk, token in held]).decode()


def renew_leases(alias: str, held: Sequence[tuple[UUID, UUID]], until: datetime) -> set[UUID]:
    """Renew these `(root id, lease token)`; give the ids of those that were.

    On PostgreSQL a row that is locked is left out. The journal locks rows in the order of what it writes, so to wait
    for one while holding others can be a deadlock, which costs everybody the server's `deadlock_timeout`.
    """
    ids, tokens = [pair[0] for pair in held], [pair[1] for pair in held]
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            cursor.execute(_RENEW_POSTGRESQL, [ids, tokens, until])
            return {row[0] for row in cursor.fetchall()}
        cursor.execute(_RENEW_SQLITE, [connections[alias].ops.adapt_datetimefield_value(until), _as_hex(held)])
        return set(ids) if cursor.rowcount == len(held) else set()


_RENEW_POSTGRESQL = (
    f"WITH held AS ({_HOLD_POSTGRESQL} SKIP LOCKED) "
    f"UPDATE {EXECUTIONS} e SET lease_expires = %s FROM held WHERE e.id = held.id RETURNING e.id"
)
_RENEW_SQLITE = (
    f"UPDATE {EXECUTIONS} SET lease_expires = %s WHERE (id, lease_token) IN ({_GIVEN_SQLITE}) AND status = 'running'"
)
