"""Statements of constant text are prepared on PostgreSQL, unless the site says otherwise."""

import pytest
from django.db import connection

from retinue.cursors import PREPARE_AFTER, constant_cursor

pytestmark = pytest.mark.django_db(transaction=True)

STATEMENT = "SELECT %s::int"


@pytest.fixture(autouse=True)
def connected_anew():
    connection.close()
    yield
    connection.close()


def prepared():
    """The statements that the connection keeps, after one has run often enough."""
    for number in range(PREPARE_AFTER + 1):
        with constant_cursor("default") as cursor:
            cursor.execute(STATEMENT, [number])
            assert cursor.fetchall() == [(number,)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall()]


@pytest.mark.only_on("postgresql")
def test_statement_that_runs_often_is_prepared():
    assert prepared() == ["SELECT $1::int"]


@pytest.mark.only_on("postgresql")
def test_nothing_is_prepared_behind_a_pooler(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    assert prepared() == []


@pytest.mark.only_on("postgresql")
def test_site_says_when_to_prepare(monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "prepare_threshold", None)
    assert prepared() == []


@pytest.mark.only_on("postgresql")
def test_the_orms_own_statements_are_not_prepared(user):
    prepared()
    for _ in range(PREPARE_AFTER + 1):
        user.refresh_from_db()
    assert prepared() == ["SELECT $1::int"]


def test_what_runs_is_seen_by_wrappers(user):
    seen = []

    def see(execute, sql, params, many, context):
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see), constant_cursor("default") as cursor:
        cursor.execute("SELECT count(*) FROM auth_user WHERE id = %s", [user.pk])
        assert cursor.fetchone() == (1,)
    assert seen == [("SELECT count(*) FROM auth_user WHERE id = %s", [user.pk])]
