"""Steps: what is on record of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from retinue.cursors import constant_cursor
from retinue.executions.models import AgentExecution
from retinue.fields import to_units
from retinue.runtime.journal.statements.leases import HELD, hold
from retinue.runtime.journal.statements.tables import EXECUTIONS, STEPS, as_hex, as_sqlite, is_postgresql, recordset

if TYPE_CHECKING:
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


def insert_steps(alias: str, rows: Sequence[tuple[UUID, UUID, StepRow]]) -> set[tuple[UUID, str]]:
    """Write `(root id, lease token, step)`; give the places that were written: the others' lease is lost."""
    with constant_cursor(alias) as cursor:
        if is_postgresql(alias):
            return _insert_steps_postgresql(cursor, rows)
        places = {(row.execution_id, row.key) for _, _, row in rows}
        cursor.executemany(
            _STEP_SQLITE,
            [
                [*as_sqlite(alias, [_stored(row, name) for name in STEP_COLUMNS]), root_id.hex, token.hex]
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
    f" FROM {EXECUTIONS} WHERE id = %s AND lease_token = %s AND status = 'running'"
)
GIVEN_STEPS = "SELECT * FROM json_to_recordset(%s::json) AS g(root_id uuid, token uuid, {})".format(
    ", ".join(f"{name} {kind}" for name, kind in _STEP_TYPES.items())
)
INSERT_STEPS = (
    f"INSERT INTO {STEPS} (execution_id, {', '.join(STEP_COLUMNS[1:])}) "
    f"SELECT {', '.join('g.' + name for name in STEP_COLUMNS)} FROM step g "
    "JOIN held h ON h.id = g.root_id AND h.lease_token = g.token"
)
_STEP_POSTGRESQL = (
    f"WITH step AS ({GIVEN_STEPS}), held AS ({HELD.format('SELECT root_id FROM step')}) "
    f"{INSERT_STEPS} RETURNING execution_id, key"
)


def _insert_steps_postgresql(cursor: Any, rows: Sequence[tuple[UUID, UUID, StepRow]]) -> set[tuple[UUID, str]]:
    cursor.execute(_STEP_POSTGRESQL, [steps_as_json(rows)])
    return set(cursor.fetchall())


def steps_as_json(rows: Sequence[tuple[UUID, UUID, StepRow]]) -> str:
    return recordset(
        [
            {name: _stored(row, name) for name in STEP_COLUMNS}
            | {"root_id": root_id, "token": token, "digest": as_hex(row.digest), "payload": as_hex(row.payload)}
            for root_id, token, row in rows
        ]
    )


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
