"""An empty database for one measurement."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests import servers

_numbers = itertools.count(1)


@contextmanager
def database(vendor: str) -> Iterator[dict[str, str]]:
    """The environment of processes that are to work on a new database; it goes afterwards."""
    make, drop = {"sqlite": (_no_file, _no_file), "postgresql": (_create, _drop)}[vendor]
    name = make(f"bench_{os.getpid()}_{next(_numbers)}")
    settings = {
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "RETINUE_BENCH_DATABASE": vendor,
        "TEST_DATABASE_NAME": name,
    }
    try:
        yield {**os.environ, **settings}
    finally:
        drop(name)


def _no_file(name: str) -> str:
    path = servers.folder() / name
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    return str(path)


def _create(name: str) -> str:
    with psycopg.connect(servers.postgresql_url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return name


def _drop(name: str) -> str:
    with psycopg.connect(servers.postgresql_url(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    return name
