"""Leases: who holds a root, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections

from retinue.cursors import constant_cursor
from retinue.runtime.journal.statements.tables import EXECUTIONS, is_postgresql

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
        moment = connections[alias].ops.adapt_datetimefield_value(until)
        cursor.executemany(_RENEW_SQLITE, [(moment, pk.hex, token.hex) for pk, token in held])
        return set(ids) if cursor.rowcount == len(held) else set()


_RENEW_POSTGRESQL = (
    f"WITH held AS ({_HOLD_POSTGRESQL} SKIP LOCKED) "
    f"UPDATE {EXECUTIONS} e SET lease_expires = %s FROM held WHERE e.id = held.id RETURNING e.id"
)
_RENEW_SQLITE = f"UPDATE {EXECUTIONS} SET lease_expires = %s WHERE id = %s AND lease_token = %s AND status = 'running'"
