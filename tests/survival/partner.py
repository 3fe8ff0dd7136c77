"""A process beside the test's own that says what it does, and goes on when it is told to."""

from __future__ import annotations

import subprocess
import sys

from django.db import connection

from tests import servers
from tests.processes.nursery import ROOT


class Partner:
    """`python -m MODULE ARGUMENTS…`, on the test's database."""

    def __init__(self, module: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            env=servers.environment(connection),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """What it says next."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
