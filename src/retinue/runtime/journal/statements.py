"""The journal's SQL: few statements of constant text, each conditional on the lease.

The ORM compiles anew for every call; here that would be most of the cost (docs/decisions/journal.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections
from pydantic_core import from_json, to_json

from retinue.cursors import constant_cursor
from retinue.executions.announcements import CHANNEL, announce, uses_notify
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.fields import to_units

if TYPE_CHECKING:
    from retinue.executions.events import Event
    from retinue.runtime.run import Run


@dataclass(slots=True, kw_only=True)
class StepRow:
    """A step to be written."""

    execution_id: UUID
    key: str
    kind: str
    name: str
    digest: bytes
    payload: bytes | None
    started_at: datetime
    duration: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None
    provider_cost: str = ""
    charge: Decimal | None = None
    provider_charge: str = ""


STEP_COLUMNS = tuple(StepRow.__slots__)
_STEP_TYPES = dict(
    zip(
        STEP_COLUMNS,
        (
            "uuid",
            "text",
            "text",
            "text",
            "bytea",
            "bytea",
            "timestamptz",
            "float8",
            "bigint",
            "bigint",
            "bigint",
            "text",
            "bigint",
            "text",
        ),
        strict=True,
    )
)
TABLE = AgentExecution._meta.db_table
STEPS = ExecutionStep._meta.db_table
EVENTS = ExecutionEvent._meta.db_table


@lru_cache(maxsize=8)
def is_postgresql(alias: str) -> bool:
    return connections[alias].vendor == "postgresql"


def insert_steps(alias: str, rows: Sequence[tuple[UUID, UUID, StepRow]]) -> set[tuple[UUID, str]]:
    """Write `(root id, lease token, step)`; give the places that were written: the others' lease is lost."""
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            return _insert_steps_postgresql(cursor, rows)
        places = {(row.execution_id, row.key) for _, _, row in rows}
        cursor.executemany(
            _STEP_SQLITE,
            [
                [*_sqlite(alias, [_stored(row, name) for name in STEP_COLUMNS]), root_id.hex, token.hex]
                for root_id, token, row in rows
            ],
        )
        if cursor.rowcount == len(rows):
            return places
        held = hold(alias, [(root_id, token) for root_id, token, _ in rows])
        return {(row.execution_id, row.key) for root_id, token, row in rows if (root_id, token) in held}


_STEP_SQLITE = (
    f"INSERT INTO {STEPS} (execution_id, {', '.join(STEP_COLUMNS[1:])})"
    f" SELECT {', '.join(['%s'] * len(STEP_COLUMNS))}"
    f" FROM {TABLE} WHERE id = %s AND lease_token = %s AND status = 'running'"
)
_GIVEN_STEPS = "SELECT * FROM json_to_recordset(%s::json) AS g(root_id uuid, token uuid, {})".format(
    ", ".join(f"{name} {kind}" for name, kind in _STEP_TYPES.items())
)
_INSERT_STEPS = (
    f"INSERT INTO {STEPS} (execution_id, {', '.join(STEP_COLUMNS[1:])}) "
    f"SELECT {', '.join('g.' + name for name in STEP_COLUMNS)} FROM step g "
    "JOIN held h ON h.id = g.root_id AND h.lease_token = g.token"
)
_HELD = (
    f"SELECT id, lease_token FROM {TABLE} WHERE id = ANY(ARRAY({{}})) AND status = 'running'"
    " ORDER BY id FOR NO KEY UPDATE"
)
_STEP_POSTGRESQL = (
    f"WITH step AS ({_GIVEN_STEPS}), held AS ({_HELD.format('SELECT root_id FROM step')}) "
    f"{_INSERT_STEPS} RETURNING execution_id, key"
)


def _insert_steps_postgresql(cursor: Any, rows: Sequence[tuple[UUID, UUID, StepRow]]) -> set[tuple[UUID, str]]:
    cursor.execute(_STEP_POSTGRESQL, [_steps(rows)])
    return set(cursor.fetchall())


def _steps(rows: Sequence[tuple[UUID, UUID, StepRow]]) -> str:
    return _recordset(
        [
            {name: _stored(row, name) for name in STEP_COLUMNS}
            | {"root_id": root_id, "token": token, "digest": _hex(row.digest), "payload": _hex(row.payload)}
            for root_id, token, row in rows
        ]
    )


def _recordset(rows: list[dict[str, Any]]) -> str:
    """Rows as one JSON parameter, which costs a fraction of what an array for each column does."""
    return to_json(rows).decode()


_EVENT_COLUMNS = "execution_id, epoch, seq, kind, data, created_at"
_EVENT_SQLITE = (
    f"INSERT INTO {EVENTS} ({_EVENT_COLUMNS}) SELECT id, %s, %s, %s, %s, %s"
    f" FROM {TABLE} WHERE id = %s AND lease_token = %s AND status = 'running'"
)
_EVENT_POSTGRESQL = (
    "WITH event AS (SELECT * FROM json_to_recordset(%s::json) AS g(execution_id uuid, token uuid, epoch bigint, "
    "seq bigint, kind text, data bytea, created_at timestamptz)), "
    f"held AS ({_HELD.format('SELECT execution_id FROM event')}), "
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
                _stored_event(event) | {"execution_id": event.execution_id, "token": token, "data": _hex(event.data)}
                for token, event in rows
            ]
            notifies = uses_notify(alias)
            cursor.execute(_EVENT_NOTIFYING if notifies else _EVENT_SILENT, [_recordset(given)])
            held = {(row[0], row[1]) for row in cursor.fetchall()}
            if not notifies:
                announce(alias, [execution_id for execution_id, _ in held])
            return held
        values: list[list[Any]] = [[*_stored_event(event).values(), event.execution_id, token] for token, event in rows]
        cursor.executemany(_EVENT_SQLITE, [_sqlite(alias, row) for row in values])
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


def forget_attempts(alias: str, runs: Sequence[Run]) -> None:
    """A result is on record under these leases: what crashed before does not count any more."""
    proven = [run for run in runs if run.attempts]
    if proven:
        AgentExecution.objects.using(alias).filter(pk__in=[run.id for run in proven]).update(attempts=0)
        for run in proven:
            run.attempts = 0


def _stored(row: StepRow, name: str) -> Any:
    value = getattr(row, name)
    return to_units(value) if name in ("cost", "charge") and value is not None else value


def _hex(value: bytes | None) -> str | None:
    """Bytes as PostgreSQL reads them in a text."""
    return None if value is None else "\\x" + value.hex()


@dataclass(slots=True, kw_only=True)
class Ending:
    """What becomes of a root that this process holds: a final state, a wait, or back to the queue."""

    execution_id: UUID
    token: UUID
    status: str
    output: str | None = None
    error_code: str = ""
    error_message: str = ""
    completed_at: datetime | None = None
    run_after: datetime | None = None
    execution_time: float = 0.0
    tokens_used: int = 0
    cost: Decimal | None = None
    charge: Decimal | None = None
    quality_score: float | None = None
    from_cache: bool = False

    def show_on(self, execution: AgentExecution) -> None:
        """Have an object say what the row says once this is written."""
        for name in _SHOWN:
            setattr(execution, name, getattr(self, name))
        if self.output is not None:
            execution.output_data = from_json(self.output)


_SHOWN = (
    "status",
    "error_code",
    "error_message",
    "completed_at",
    "run_after",
    "execution_time",
    "tokens_used",
    "cost",
    "charge",
    "from_cache",
)

_HOLD_POSTGRESQL = (
    f"SELECT id, lease_token FROM {TABLE} WHERE id = ANY(%s) AND lease_token = ANY(%s) AND status = 'running'"
    " ORDER BY id FOR NO KEY UPDATE"
)
_HOLD_SQLITE = f"SELECT 1 FROM {TABLE} WHERE id = %s AND lease_token = %s AND status = 'running'"


_ENDING_TYPES = {
    "status": "text",
    "output_data": "text",
    "error_code": "text",
    "error_message": "text",
    "completed_at": "timestamptz",
    "run_after": "timestamptz",
    "execution_time": "double precision",
    "tokens_used": "bigint",
    "cost": "bigint",
    "charge": "bigint",
    "quality_score": "double precision",
    "from_cache": "boolean",
}
_ENDING_POSTGRESQL = (
    f"WITH step AS ({_GIVEN_STEPS}), ending AS (SELECT * FROM json_to_recordset(%s::json) AS g(id uuid, token uuid, "
    + ", ".join(f"{name} {kind}" for name, kind in _ENDING_TYPES.items())
    + f")), held AS ({_HELD.format('SELECT id FROM ending')}), written AS ({_INSERT_STEPS}) "
    f"UPDATE {TABLE} e SET {', '.join(f'{name} = g.{name}' for name in _ENDING_TYPES if name != 'output_data')}, "
    "output_data = g.output_data::jsonb, lease_expires = NULL "
    "FROM held JOIN ending g ON g.id = held.id AND g.token = held.lease_token "
    "WHERE e.id = held.id RETURNING e.id"
)
_ENDING_SQLITE = (
    f"UPDATE {TABLE} SET {', '.join(f'{name} = %s' for name in _ENDING_TYPES)}, lease_expires = NULL "
    "WHERE id = %s AND lease_token = %s AND status = 'running'"
)


def end_executions(
    alias: str, endings: Sequence[Ending], steps: Sequence[tuple[UUID, UUID, StepRow]] = ()
) -> set[UUID]:
    """Give up the leases with these outcomes, after these last steps; give the ids of those that were still held."""
    rows = [
        [
            e.status,
            e.output,
            e.error_code,
            e.error_message,
            e.completed_at,
            e.run_after,
            e.execution_time,
            e.tokens_used,
            None if e.cost is None else to_units(e.cost),
            None if e.charge is None else to_units(e.charge),
            e.quality_score,
            e.from_cache,
        ]
        for e in endings
    ]
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            given = [
                dict(zip(_ENDING_TYPES, row, strict=True)) | {"id": e.execution_id, "token": e.token}
                for e, row in zip(endings, rows, strict=True)
            ]
            cursor.execute(_ENDING_POSTGRESQL, [_steps(steps), _recordset(given)])
            return {row[0] for row in cursor.fetchall()}
        if steps:
            insert_steps(alias, steps)
        cursor.executemany(
            _ENDING_SQLITE,
            [
                [*_sqlite(alias, row), ending.execution_id.hex, ending.token.hex]
                for ending, row in zip(endings, rows, strict=True)
            ],
        )
        if cursor.rowcount == len(endings):
            return {e.execution_id for e in endings}
        return {e.execution_id for e in endings if _gave_up(cursor, e)}


def _gave_up(cursor: Any, ending: Ending) -> bool:
    """Whether a root that is not running any more still bears the token that it ran under."""
    cursor.execute(
        f"SELECT 1 FROM {TABLE} WHERE id = %s AND lease_token = %s AND status <> 'running'",
        [ending.execution_id.hex, ending.token.hex],
    )
    return cursor.fetchone() is not None


def insert_executions(alias: str, executions: Sequence[AgentExecution]) -> None:
    """New rows, which have nothing but defaults in the columns that a run fills."""
    connection = connections[alias]
    user = AgentExecution._meta.get_field("user")
    rows = [[getattr(row, name) for name in _GIVEN] for row in executions]
    for values in rows:
        values[0] = user.get_db_prep_save(values[0], connection)  # a user's key may be of any type
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            given = [dict(zip(_GIVEN, values, strict=True)) | {"input": _hex(values[_INPUT])} for values in rows]
            cursor.execute(_INSERTION_POSTGRESQL, [_recordset(given)])
        else:
            cursor.executemany(_INSERTION, [_sqlite(alias, values) for values in rows])


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
    f"INSERT INTO {TABLE} ({', '.join([*_GIVEN, *_DEFAULTS])}) "
    f"VALUES ({', '.join([*['%s'] * len(_GIVEN), *_DEFAULTS.values()])})"
)
_INSERTION_POSTGRESQL = (
    f"INSERT INTO {TABLE} ({', '.join([*_GIVEN, *_DEFAULTS])}) "
    f"SELECT {', '.join([*_GIVEN, *_DEFAULTS.values()])} FROM json_populate_recordset(NULL::{TABLE}, %s::json)"
)


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
    f"UPDATE {TABLE} e SET lease_expires = %s FROM held WHERE e.id = held.id RETURNING e.id"
)
_RENEW_SQLITE = f"UPDATE {TABLE} SET lease_expires = %s WHERE id = %s AND lease_token = %s AND status = 'running'"


def _sqlite(alias: str, values: list[Any]) -> list[Any]:
    ops = connections[alias].ops
    return [
        ops.adapt_datetimefield_value(v) if isinstance(v, datetime) else v.hex if isinstance(v, UUID) else v
        for v in values
    ]
