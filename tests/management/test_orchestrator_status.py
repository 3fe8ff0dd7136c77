"""`manage.py orchestrator_status`."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from retinue import DjangoAgent
from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, Worker
from tests.management.agents import pricer
from tests.waiting import WAIT_SECONDS

AGENTS = [
    {"name": "assistant", "place": "retinue.assistant.agents:assistant", "model": "offline:default", "tools": []},
    {"name": "clerk", "place": "tests.shop.agents:clerk", "model": "offline:default", "tools": []},
    {"name": "warden", "place": "tests.shop.agents:warden", "model": "offline:default", "tools": []},
]


@pytest.fixture
def seen(command):
    """What the command says in JSON, with its exit code; the latency is checked and left out."""

    def look():
        done = command("orchestrator_status", json=True)
        assert (done.error, done.out.count("\n")) == ("", 1)
        found = json.loads(done.out)
        assert 0 <= found["database"].pop("latency_ms") < 60_000
        return done.code, found

    return look


def make(status="queued", **values):
    execution = AgentExecution(agent_name="clerk", principal_type="system", status=status, **values)
    execution.root_id = execution.pk
    execution.save(force_insert=True)
    return execution


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def alive(**values):
    return Worker.objects.create(**{"name": "host:1", "concurrency": 100, **values})


def vendor():
    from django.db import connection

    return connection.vendor


def test_nothing_to_do_is_healthy(seen, db):
    assert seen() == (
        0,
        {
            "status": "healthy",
            "database": {
                "alias": "default",
                "vendor": vendor(),
                "reachable": True,
                "migrated": True,
                "problem": None,
            },
            "queue": {"queued": 0, "running": 0, "waiting": 0, "oldest_queued_seconds": None},
            "workers": [],
            "errors": [],
            "agents": AGENTS,
            "agents_problem": None,
        },
    )


def test_counts_what_is_open(seen, db):
    root = make("running")
    AgentExecution.objects.create(
        agent_name="clerk", principal_type="system", status="running", root=root, parent=root, path="/child"
    )
    for status in ("queued", "queued", "waiting", "waiting", "waiting", "completed", "cancelled"):
        make(status)
    queue = seen()[1]["queue"]
    assert 0 <= queue.pop("oldest_queued_seconds") < 60
    assert queue == {"queued": 2, "running": 1, "waiting": 3}


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"created_at": 59}, "healthy", 0),
        ({"created_at": 61}, "degraded", 1),
        ({"created_at": 600, "run_after": -60}, "healthy", 0),
        ({"created_at": 600, "run_after": 61}, "degraded", 1),
        ({"created_at": 600, "run_after": 30}, "healthy", 0),
    ],
)
def test_late_work_without_a_worker_is_degraded(seen, db, values, status, code):
    make(**{name: ago(seconds) for name, seconds in values.items()})
    found = seen()
    assert (found[0], found[1]["status"]) == (code, status)


@pytest.mark.parametrize(("seconds", "code", "names"), [(14, 0, ["host:1"]), (16, 1, [])])
def test_late_work_with_a_worker_alive_is_healthy(seen, db, seconds, code, names):
    make(created_at=ago(600))
    alive(seen_at=ago(seconds))
    found = seen()
    assert (found[0], [worker["name"] for worker in found[1]["workers"]]) == (code, names)


def test_workers_and_their_load(seen, db):
    worker = alive(active=7, queues=["slow"], embedded=True)
    assert seen()[1]["workers"] == [
        {
            "name": "host:1",
            "embedded": True,
            "queues": ["slow"],
            "active": 7,
            "concurrency": 100,
            "started_at": worker.started_at.isoformat(),
            "seen_at": worker.seen_at.isoformat(),
        }
    ]


def test_last_errors_newest_first(seen, db):
    failed = [
        make("failed", error_code="timeout", error_message=f"It took {number}", created_at=ago(number))
        for number in range(7)
    ]
    errors = seen()[1]["errors"]
    assert [error["message"] for error in errors] == [f"It took {number}" for number in range(5)]
    assert errors[0] == {
        "id": str(failed[0].pk),
        "agent": "clerk",
        "code": "timeout",
        "message": "It took 0",
        "completed_at": None,
    }


def test_agents_with_their_tools_and_models(seen, db):
    with registered(pricer(), DjangoAgent("asked", model="openai:gpt-5-mini")):
        assert seen()[1]["agents"] == sorted(
            [
                *AGENTS,
                {"name": "asked", "place": "", "model": "openai:gpt-5-mini", "tools": []},
                {"name": "pricer", "place": "", "model": "offline:default", "tools": ["look", "set_price"]},
            ],
            key=lambda agent: agent["name"],
        )


def test_text_for_people(command, db):
    make(created_at=ago(3700))
    make("failed", error_code="timeout", error_message="The run took longer than it may.")
    done = command("orchestrator_status")
    status, database, *rest = done.out.splitlines()
    failed = AgentExecution.objects.get(status="failed")
    assert (done.code, status) == (1, "Status    degraded")
    assert database.startswith(f"Database  {vendor()} (default) answers in ")
    assert rest == [
        "Queue     1 queued, 0 running, 0 waiting; the oldest is queued for 1 h 1 min",
        "Workers   none is alive",
        "Agents    assistant (retinue.assistant.agents:assistant), model offline:default",
        "          clerk (tests.shop.agents:clerk), model offline:default",
        "          warden (tests.shop.agents:warden), model offline:default",
        f"Errors    clerk {failed.pk}: The run took longer than it may. (timeout)",
    ]


def test_text_names_each_worker(command, db):
    alive(active=7)
    alive(name="web:2", embedded=True, queues=["slow"])
    assert command("orchestrator_status").out.splitlines()[3:5] == [
        "Workers   host:1: 7 of 100 busy",
        "          web:2: 0 of 100 busy, in a server process, queues: slow",
    ]


def test_takes_few_queries(command, db, django_assert_num_queries):
    make("failed")
    alive()
    with django_assert_num_queries(6):  # is it there, its tables, states, the oldest, workers, errors
        command("orchestrator_status")


@pytest.mark.only_on("sqlite")
def test_database_away_exits_2(process, tmp_path):
    child = process("orchestrator_status", "--json", TEST_DATABASE_NAME=str(tmp_path / "nowhere" / "site.sqlite3"))
    out, error = child.communicate(timeout=WAIT_SECONDS)
    found = json.loads(out)
    assert (child.returncode, error, found["status"]) == (2, "", "database away")
    assert found["database"] == {
        "alias": "default",
        "vendor": "sqlite",
        "reachable": False,
        "migrated": False,
        "latency_ms": None,
        "problem": "unable to open database file",
    }
    assert (found["queue"], found["workers"], found["errors"]) == (None, None, None)
    assert [agent["name"] for agent in found["agents"]] == ["assistant", "clerk", "pricer", "sleeper", "warden"]


@pytest.mark.only_on("sqlite")
def test_database_away_in_text(process, tmp_path):
    child = process("orchestrator_status", TEST_DATABASE_NAME=str(tmp_path / "nowhere" / "site.sqlite3"))
    out, _ = child.communicate(timeout=WAIT_SECONDS)
    assert out.splitlines()[:3] == [
        "Status    database away",
        "Database  sqlite (default) is away: unable to open database file",
        "Agents    assistant (retinue.assistant.agents:assistant), model offline:default",
    ]


@pytest.mark.only_on("postgresql")
def test_server_away_exits_2(process):
    child = process("orchestrator_status", TEST_DATABASE_NAME="nobody_made_this")
    out, error = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, error) == (2, "")
    assert 'database "nobody_made_this" does not exist' in out.splitlines()[1]


@pytest.mark.only_on("sqlite")
def test_missing_tables_are_degraded(process, tmp_path):
    child = process("orchestrator_status", TEST_DATABASE_NAME=str(tmp_path / "empty.sqlite3"))
    out, _ = child.communicate(timeout=WAIT_SECONDS)
    assert (child.returncode, out.splitlines()[:2]) == (
        1,
        ["Status    degraded", "Database  sqlite (default) has no tables of Retinue: run `manage.py migrate`"],
    )
