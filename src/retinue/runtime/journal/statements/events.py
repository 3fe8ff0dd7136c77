"""Events: what watchers of a run are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from retinue.cursors import constant_cursor
from retinue.executions.announcements import CHANNEL, announce, uses_notify
from retinue.runtime.journal.statements.leases import HELD, hold
from retinue.runtime.journal.statements.tables import EVENTS, EXECUTIONS, as_hex, as_sqlite, is_postgresql, recordset

if TYPE_CHECKING:
    from retinue.executions.events import Event

_EVENT_COLUMNS = "execution_id, epoch, seq, kind, data, created_at"
_EVENT_SQLITE = (
    f"INSERT INTO {EVENTS} ({_EVENT_COLUMNS}) SELECT id, %s, %s, %s, %s, %s"
    f" FROM {EXECUTIONS} WHERE id = %s AND lease_token = %s AND status = 'running'"
)
_EVENT_POSTGRESQL = (
    "WITH event AS (SELECT * FROM json_to_recordset(%s::json) AS g(execution_id uuid, token uuid, epoch bigint, "
    "seq bigint, kind text, data bytea, created_at timestamptz)), "
    f"held AS ({HELD.format('SELECT execution_id FROM event')}), "
    f"written AS (INSERT INTO {EVENTS} ({_EVENT_COLUMNS}) "
    "SELECT g.execution_id, g.epoch, g.seq, g.kind, g.data, g.created_at FROM event g "
    "JOIN held h ON h.id = g.execution_id AND h.lease_token = g.token RETURNING execution_id) "
    "SELECT h.id, h.lease_token{} FROM held h WHERE h.id IN (SELECT execution_id FROM written)"
)
_EVENT_NOTIFYING = _EVENT_POSTGRESQL.format(f", pg_notify('{CHANNEL}', h.id::text)")
_EVENT_SILENT = _EVENT_POSTGRESQL.format("")


def insert_events(alias: str, rows: Sequence[tuple[UUID, Event]]) -> set[tuple[UUID, UUID]]:
    """Write `(lease token, event)`; give the `(root id, lease token)` that are still held. Tells the others."""
    if not rows:
        return set()
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            given = [
                _stored_event(event) | {"execution_id": event.execution_id, "token": token, "data": as_hex(event.data)}
                for token, event in rows
            ]
            notifies = uses_notify(alias)
            cursor.execute(_EVENT_NOTIFYING if notifies else _EVENT_SILENT, [recordset(given)])
            held = {(row[0], row[1]) for row in cursor.fetchall()}
            if not notifies:
                announce(alias, [execution_id for execution_id, _ in held])
            return held
        values: list[list[Any]] = [[*_stored_event(event).values(), event.execution_id, token] for token, event in rows]
        cursor.executemany(_EVENT_SQLITE, [as_sqlite(alias, row) for row in values])
        held = {(event.execution_id, token) for token, event in rows}
        if cursor.rowcount != len(rows):
            held = hold(alias, sorted(held))
    announce(alias, [execution_id for execution_id, _ in held])
    return held


def _stored_event(event: Event) -> dict[str, Any]:
    assert event.id is not None
    return {
        "epoch": event.id.epoch,
        "seq": event.id.seq,
        "kind": event.kind,
        "data": event.data,
        "created_at": event.created_at,
    }
