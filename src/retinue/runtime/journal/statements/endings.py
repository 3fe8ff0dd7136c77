"""Endings: what becomes of a root when its lease is given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import from_json

from retinue.cursors import constant_cursor
from retinue.fields import to_units
from retinue.runtime.journal.statements.leases import HELD
from retinue.runtime.journal.statements.steps import GIVEN_STEPS, INSERT_STEPS, StepRow, insert_steps, steps_as_json
from retinue.runtime.journal.statements.tables import EXECUTIONS, as_sqlite, is_postgresql, recordset

if TYPE_CHECKING:
    from retinue.executions.models import AgentExecution


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
    f"WITH step AS ({GIVEN_STEPS}), ending AS (SELECT * FROM json_to_recordset(%s::json) AS g(id uuid, token uuid, "
    + ", ".join(f"{name} {kind}" for name, kind in _ENDING_TYPES.items())
    + f")), held AS ({HELD.format('SELECT id FROM ending')}), written AS ({INSERT_STEPS}) "
    f"UPDATE {EXECUTIONS} e SET {', '.join(f'{name} = g.{name}' for name in _ENDING_TYPES if name != 'output_data')}, "
    "output_data = g.output_data::jsonb, lease_expires = NULL "
    "FROM held JOIN ending g ON g.id = held.id AND g.token = held.lease_token "
    "WHERE e.id = held.id RETURNING e.id"
)
_ENDING_SQLITE = (
    f"UPDATE {EXECUTIONS} SET {', '.join(f'{name} = %s' for name in _ENDING_TYPES)}, lease_expires = NULL "
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
            cursor.execute(_ENDING_POSTGRESQL, [steps_as_json(steps), recordset(given)])
            return {row[0] for row in cursor.fetchall()}
        if steps:
            insert_steps(alias, steps)
        cursor.executemany(
            _ENDING_SQLITE,
            [
                [*as_sqlite(alias, row), ending.execution_id.hex, ending.token.hex]
                for ending, row in zip(endings, rows, strict=True)
            ],
        )
        if cursor.rowcount == len(endings):
            return {e.execution_id for e in endings}
        return {e.execution_id for e in endings if _gave_up(cursor, e)}


def _gave_up(cursor: Any, ending: Ending) -> bool:
    """Whether a root that is not running any more still bears the token that it ran under."""
    cursor.execute(
        f"SELECT 1 FROM {EXECUTIONS} WHERE id = %s AND lease_token = %s AND status <> 'running'",
        [ending.execution_id.hex, ending.token.hex],
    )
    return cursor.fetchone() is not None
