"""Commands as the tests call them: in this process, or as a process of their own."""

import io
import subprocess
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from tests import servers


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Done:
    """What a command printed and how it ended."""

    def __init__(self, out, error, code):
        self.out, self.error, self.code = out, error, code


@pytest.fixture
def command():
    """Calls a command and catches what it prints; a CommandError gives code 1 and its text as the error."""

    def call(*arguments, terminal=False, **options):
        out, error = (Terminal() if terminal else io.StringIO()), io.StringIO()
        code = 0
        try:
            call_command(*arguments, stdout=out, stderr=error, **options)
        except CommandError as caught:
            return Done(out.getvalue(), str(caught), caught.returncode)
        except SystemExit as caught:
            code = caught.code
        return Done(out.getvalue(), error.getvalue(), code)

    return call


@pytest.fixture
def process(transactional_db):
    """Starts a command as a process of its own, on the database of the test."""
    started = []

    def start(*arguments, stdout=subprocess.PIPE, **environment):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.management", *arguments],
            env={**servers.environment(connection), **environment},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
        child.communicate()
