"""The journal's own SQL, held against the models."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime.journal.statements.executions import _DEFAULTS, _GIVEN
from retinue.runtime.journal.statements.leases import lost_leases, renew_leases
from retinue.runtime.journal.statements.steps import STEP_COLUMNS
from retinue.runtime.journal.statements.tables import EXECUTIONS


def test_every_column_of_an_execution_is_written():
    columns = {field.column for field in AgentExecution._meta.concrete_fields}
    assert {*_GIVEN, *_DEFAULTS} == columns
    assert len(_GIVEN) + len(_DEFAULTS) == len(columns)


def test_every_column_of_a_step_is_written():
    columns = {field.column for field in ExecutionStep._meta.concrete_fields}
    assert {*STEP_COLUMNS} == columns - {"id"}


@pytest.fixture
def leases(db):
    """Three roots that run, by their `(id, lease token)`."""
    rows = [AgentExecution(agent_name="clerk", status="running", lease_token=uuid.uuid4()) for _ in range(3)]
    for row in rows:
        row.root_id = row.pk
    AgentExecution.objects.bulk_create(rows)
    return [(row.pk, row.lease_token) for row in rows]


def expiries():
    return set(AgentExecution.objects.values_list("pk", "lease_expires"))


@pytest.mark.django_db
def test_a_lease_is_lost_where_another_holds_it_or_the_run_is_not_running_or_gone(leases):
    taken, cancelled, held = leases
    gone = (uuid.uuid4(), uuid.uuid4())
    assert lost_leases("default", leases) == set()
    AgentExecution.objects.filter(pk=taken[0]).update(lease_token=uuid.uuid4())
    AgentExecution.objects.filter(pk=cancelled[0]).update(status="cancelled")
    assert lost_leases("default", [taken, cancelled, held, gone]) == {taken[0], cancelled[0], gone[0]}


@pytest.mark.django_db
def test_leases_are_renewed(leases):
    until = timezone.now() + timedelta(seconds=20)
    assert renew_leases("default", leases, until) == {pk for pk, _ in leases}
    assert expiries() == {(pk, until) for pk, _ in leases}


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_renewal_leaves_out_a_row_that_is_being_written_to(leases):
    first, second, third = leases
    until = timezone.now() + timedelta(seconds=20)
    writer = connection.copy()
    try:
        writer.set_autocommit(False)
        with writer.cursor() as cursor:
            cursor.execute(f"UPDATE {EXECUTIONS} SET priority = 1 WHERE id = %s", [second[0]])  # noqa: S608 (our own name)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        assert renew_leases("default", leases, until) == {first[0], third[0]}
    finally:
        writer.close()
        connection.close()
    assert expiries() == {(first[0], until), (second[0], None), (third[0], until)}
