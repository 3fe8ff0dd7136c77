"""What happened outside the database: each fact is one line, appended in one write, which a kill cannot tear."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

FILE = "witnessed.jsonl"


def folder() -> Path:
    return Path(os.environ["WITNESS_FOLDER"])


def note(kind: str, **facts: Any) -> None:
    """Write down that something happened, in which process and when."""
    line = json.dumps({"kind": kind, "pid": os.getpid(), "time": time.time(), **facts}) + "\n"
    file = os.open(folder() / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def noted(where: Path, kind: str) -> list[dict[str, Any]]:
    """What was written down of this kind, in order."""
    return [fact for fact in _facts(where) if fact["kind"] == kind]


def _facts(where: Path) -> Iterator[dict[str, Any]]:
    path = where / FILE
    if path.exists():
        for line in path.read_text().splitlines():
            yield json.loads(line)


async def asked(execution_id: str, number: int) -> None:
    """A model is asked for the n-th answer of an execution. Where the journal holds that answer, it is asked again.

    The journal is read here and now, on a connection of its own: an answer that is there at this moment was
    recorded before it was asked for.
    """
    import asyncio

    recorded = await asyncio.get_running_loop().run_in_executor(_reader(os.getpid()), _recorded, execution_id, number)
    note("reasked" if recorded else "asked", execution=execution_id, number=number)


@cache
def _reader(pid: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="witness")


def _recorded(execution_id: str, number: int) -> bool:
    from django.db import OperationalError, connection

    from retinue.executions.models import ExecutionStep

    steps = ExecutionStep.objects.filter(execution=execution_id, key=f"model#{number}" if number else "model")
    try:
        return steps.exists()
    except OperationalError:  # a connection that was broken on purpose
        connection.close()
        return steps.exists()
