"""`manage.py agent_worker`, as a process of its own."""

import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, Worker
from retinue.workers.worker import Worker as WorkerLoop
from tests.management.agents import sleeper
from tests.shop.agents import clerk
from tests.waiting import WAIT_SECONDS, until

pytestmark = pytest.mark.django_db(transaction=True)


def status_of(execution):
    return AgentExecution.objects.values_list("status", flat=True).get(pk=execution.pk)


def begun(child):
    """What the worker says when it begins."""
    return [child.stdout.readline().rstrip("\n") for _ in range(2)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_runs_what_is_queued_until_it_is_stopped(process, user, number):
    execution = clerk.enqueue("Hello", user=user)
    child = process("agent_worker")
    says, agents = begun(child)
    name = f"{os.uname().nodename}:{child.pid}"
    assert says == f"Worker {name}: up to 100 runs at once, queues: all."
    assert agents == "Agents: assistant, clerk, pricer, sleeper, warden."
    until(lambda: status_of(execution) == "completed")
    assert [(row.name, row.embedded, row.concurrency) for row in Worker.objects.all()] == [(name, False, 100)]

    child.send_signal(number)
    out, _ = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, out) == (0, "Stopping; what runs is handed to other workers.\nStopped.\n")
    assert Worker.objects.count() == 0


def test_serves_only_the_agents_and_queues_that_are_named(process, user):
    other = clerk.enqueue("Hello", user=user)
    mine = clerk.enqueue("Hello", user=user, queue="slow")
    child = process("agent_worker", "--agents", "clerk,warden", "--queues", " slow ,later", "--concurrency", "3")
    says, agents = begun(child)
    assert says.endswith("up to 3 runs at once, queues: slow, later.")
    assert agents == "Agents: clerk, warden."
    until(lambda: status_of(mine) == "completed")
    assert status_of(other) == "queued"


def test_stops_though_a_tool_is_busy(process, user):
    agent = sleeper()
    with registered(agent):
        execution = agent.enqueue("Sleep", user=user)
    child = process("agent_worker", RETINUE=json.dumps({"GRACE_SECONDS": 0.1}))
    begun(child)
    assert child.stdout.readline() == f"asleep {execution.pk}\n"
    child.terminate()
    child.communicate(timeout=WAIT_SECONDS)  # the tool sleeps for longer
    assert child.returncode == 0
    assert status_of(execution) == "queued"


def test_second_signal_exits_at_once(process, user):
    agent = sleeper()
    with registered(agent):
        agent.enqueue("Sleep", user=user)
    child = process("agent_worker", RETINUE=json.dumps({"GRACE_SECONDS": 600}))
    begun(child)
    assert child.stdout.readline().startswith("asleep ")
    child.terminate()
    assert child.stdout.readline() == "Stopping; what runs is handed to other workers.\n"
    child.terminate()
    out, _ = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, out) == (128 + signal.SIGTERM, "")


def test_unknown_agent_is_named_with_its_neighbour(process):
    child = process("agent_worker", "--agents", "clrk")
    _, error = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, error) == (
        1,
        "CommandError: There is no agent named 'clrk'. Did you mean clerk?\n",
    )


def test_wrong_settings_are_said_before_it_begins(process):
    child = process("agent_worker", RETINUE=json.dumps({"CONCURENCY": 3}))
    out, error = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, out) == (1, "")
    assert "(retinue.E001) RETINUE has no key 'CONCURENCY'.\n\tHINT: Did you mean 'CONCURRENCY'?" in error


@pytest.mark.parametrize("number", ["0", "-3", "many"])
def test_concurrency_is_a_whole_number(process, number):
    child = process("agent_worker", f"--concurrency={number}")
    _, error = child.communicate(timeout=WAIT_SECONDS)
    assert child.returncode == 2
    assert error.endswith(f"error: argument --concurrency: '{number}' is not a whole number from 1\n")


@pytest.mark.only_on("sqlite")
def test_missing_tables_are_said(process, tmp_path):
    child = process("agent_worker", TEST_DATABASE_NAME=str(tmp_path / "empty.sqlite3"))
    _, error = child.communicate(timeout=WAIT_SECONDS)
    assert child.returncode == 1
    assert error.endswith("CommandError: Retinue's tables are missing: run `manage.py migrate` first.\n")


@pytest.mark.only_on("sqlite")
def test_waits_for_a_sqlite_file_that_is_not_there_yet(process, tmp_path, user):
    execution = clerk.enqueue("Hello", user=user)
    shutil.copy(_settled(), tmp_path / "ready")
    child = process("agent_worker", TEST_DATABASE_NAME=str(tmp_path / "mount" / "site.sqlite3"))
    begun(child)
    _read_until(child.stderr, "The database is away (OperationalError); waiting for it.\n")
    (tmp_path / "mount").mkdir()
    (tmp_path / "ready").rename(tmp_path / "mount" / "site.sqlite3")
    _read_until(child.stderr, "The database is back.\n")

    def completed():
        with sqlite3.connect(tmp_path / "mount" / "site.sqlite3", timeout=20) as site:
            return site.execute("SELECT id, status FROM retinue_agentexecution").fetchall() == [
                (execution.pk.hex, "completed")
            ]

    until(completed)


def _settled():
    """The test's database as one file."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(connection.settings_dict["NAME"])


@pytest.mark.only_on("postgresql")
def test_waits_for_a_postgresql_that_lets_nobody_in_yet(process, user):
    execution = clerk.enqueue("Hello", user=user)
    ours = connection.get_connection_params()
    where = {key: ours[key] for key in ("host", "port", "user", "password") if key in ours}
    with psycopg.connect(**where, dbname="postgres", autocommit=True) as server:
        name = psycopg.sql.Identifier(ours["dbname"])
        let_in = psycopg.sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}").format
        server.execute(let_in(name, psycopg.sql.SQL("false")))
        try:
            child = process("agent_worker")
            begun(child)
            _read_until(child.stderr, "The database is away (OperationalError); waiting for it.\n")
        finally:
            server.execute(let_in(name, psycopg.sql.SQL("true")))
    _read_until(child.stderr, "The database is back.\n")
    until(lambda: status_of(execution) == "completed")


def _read_until(stream, wanted):
    for line in stream:
        if line == wanted:
            return
    raise AssertionError(f"{wanted!r} was not said.")


def test_worker_says_what_ended_it():
    class Broken(WorkerLoop):
        async def _work(self):
            raise RuntimeError("broken")

    worker = Broken(concurrency=1)
    assert worker.failure is None
    worker.start()
    until(lambda: worker.failure is not None)
    assert repr(worker.failure) == "RuntimeError('broken')"
