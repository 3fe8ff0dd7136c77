"""Connections that break under a run do not end it."""

import pytest
from django.db import connection

from tests.survival.agents import subject
from tests.survival.conftest import notes_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgresql")]


def break_all_others():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_while_a_model_is_asked(stage, user):
    execution = subject.enqueue("a note @go:note done", user=user)
    stage.start(LEASE_SECONDS=20)
    stage.until_asked(execution, 1)
    break_all_others()
    stage.gates.open("go")
    stage.until_status("completed", execution)
    assert notes_of(execution) == ["note c0a", "note c1a"]
    assert not stage.seen("reasked")


def test_inside_a_transactional_tool(stage, user):
    execution = subject.enqueue("a sleep done", user=user)
    stage.start()
    stage.until_seen("sleeps", execution)
    break_all_others()
    stage.gates.open("wake")
    stage.until_status("completed", execution)
    assert notes_of(execution) == ["before sleep", "after sleep"]
