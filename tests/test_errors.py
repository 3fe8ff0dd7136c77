"""What errors say."""

import os
import subprocess
import sys

from django.utils import translation

from retinue import errors
from retinue.errors import (
    ExecutionFailed,
    RetinueError,
    SessionBusy,
    SessionClosed,
    TransactionOpen,
    UnknownAgent,
    UnknownSession,
)


def test_default_sentence_is_the_docstring():
    assert str(UnknownAgent()) == UnknownAgent.__doc__ == "There is no agent of that name."
    assert str(UnknownAgent("There is no agent named 'x'.")) == "There is no agent named 'x'."
    assert str(ExecutionFailed(None)) == "The execution failed."
    assert str(TransactionOpen()).startswith("A run cannot be waited for inside an open transaction. It would not see ")


def test_default_sentence_is_in_the_language_of_who_reads_it(monkeypatch):
    error = UnknownAgent()
    with translation.override("de"):
        catalog = translation.trans_real.translation("de")
        monkeypatch.setitem(catalog._catalog._catalogs[0], "There is no agent of that name.", "Kein solcher Agent.")
        assert str(error) == "Kein solcher Agent."
    assert str(error) == "There is no agent of that name."


def test_error_can_be_read_before_there_are_settings():
    code = (
        "from django.conf import settings; from retinue.errors import UnknownAgent; "
        "print(UnknownAgent()); settings.configure(); print(UnknownAgent())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines() == ["There is no agent of that name."] * 2


def test_sessions_have_errors_of_their_own():
    found = {error.code: str(error()) for error in (UnknownSession, SessionClosed, SessionBusy)}
    assert found == {
        "unknown_session": "There is no such session.",
        "session_closed": "The session is closed: it can be read, but takes no more messages.",
        "session_busy": "The session still answers another message.",
    }


def test_tree_in_the_docstring_names_every_error():
    def below(error):
        return {error.__name__}.union(*map(below, error.__subclasses__()))

    drawn = {line.split("(")[0].strip(" ├└│─") for line in errors.__doc__.splitlines()}
    assert below(RetinueError) - {name for name in below(RetinueError) if not hasattr(errors, name)} <= drawn
