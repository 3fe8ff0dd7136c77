"""The servers and the database that the tests run on."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from django.db import connection

from tests import servers
from tests.waiting import WAIT_SECONDS

ROOT = Path(servers.__file__).resolve().parent.parent
OWNER = "import sys; from tests import servers; print(servers.{started}(), flush=True); sys.stdin.read()"


@pytest.mark.django_db
def test_database_is_the_one_asked_for():
    assert connection.vendor == os.environ.get("RETINUE_TEST_DATABASE", "sqlite")


@pytest.mark.only_on("sqlite")
@pytest.mark.django_db
def test_sqlite_is_a_file_with_a_write_ahead_log():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert Path(connection.settings_dict["NAME"]).is_file()


@pytest.mark.django_db(transaction=True)
def test_environment_leads_a_child_to_the_same_database(django_user_model):
    django_user_model.objects.create_user("anna")
    code = (
        "import django; django.setup()\n"
        "from django.contrib.auth import get_user_model\n"
        "print(get_user_model().objects.get().get_username())"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=servers.environment(connection),
        check=True,
        capture_output=True,
        text=True,
    )
    assert child.stdout == "anna\n"


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("started", ["postgresql_url", "redis_url", "folder"])
def test_server_ends_with_the_process_that_started_it(started, end):
    environment = {key: value for key, value in os.environ.items() if key not in servers.VARIABLES.values()}
    with tempfile.TemporaryDirectory(prefix="retinue-") as folder:  # short, for PostgreSQL's socket
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER.format(started=started)],
            cwd=ROOT,
            env={**environment, "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        address = owner.stdout.readline().strip()
        processes = psutil.Process(owner.pid).children(recursive=True)
        _ask(address)

        if end == "kill":
            owner.kill()
        owner.communicate()
        _, alive = psutil.wait_procs(processes, timeout=WAIT_SECONDS)

        assert alive == []
        assert os.listdir(folder) == []


def _ask(address):
    if address.startswith("redis:"):
        assert redis.Redis.from_url(address).ping()
    elif address.startswith("postgresql:"):
        with psycopg.connect(address) as server:
            assert server.execute("SHOW max_connections").fetchone() == ("300",)
    else:
        Path(address, "test.sqlite3").touch()
