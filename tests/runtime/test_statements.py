"""The journal's own SQL, held against the models."""

from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime.journal.statements import _DEFAULTS, _GIVEN, STEP_COLUMNS


def test_every_column_of_an_execution_is_written():
    columns = {field.column for field in AgentExecution._meta.concrete_fields}
    assert {*_GIVEN, *_DEFAULTS} == columns
    assert len(_GIVEN) + len(_DEFAULTS) == len(columns)


def test_every_column_of_a_step_is_written():
    columns = {field.column for field in ExecutionStep._meta.concrete_fields}
    assert {*STEP_COLUMNS} == columns - {"id"}
