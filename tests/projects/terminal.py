"""A terminal in which commands of the documentation are typed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from tests.docs.pages import Command
from tests.waiting import WAIT_SECONDS

ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DIFFERENT = {
    r"…": r".*?",
    r"\d[\d.,]* (?:s|ms|tokens)\b": r"[\d.,]+ (?:s|ms|tokens)",
    r"expires in \w[\w ]*\w": r"expires in \w[\w ]*\w",
    r"[\w.-]+:\d{4,}\b": r"[\w.-]+:\d+",  # a worker's host and process
}
"""What is different every time, and what may stand in its place."""
PARTS = re.compile(f"(?P<id>{ID})|{'|'.join(f'({part})' for part in DIFFERENT)}")


class Terminal:
    """Runs commands in a folder, as a person would: output goes to a terminal, Ctrl-C stops what runs.

    Nothing of the tests' own settings reaches the commands. An id that a page shows stands for the one that is
    printed at its place, and for the same one ever after.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids: dict[str, str] = {}
        tools = folder / ".bin"
        tools.mkdir()
        for name, arguments in (("python", ""), ("django-admin", " -m django")):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
            tool.chmod(0o755)
        self._environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "DJANGO_COLORS": "nocolor",
        }

    def follow(self, command: Command, until: Callable[[], bool] = lambda: True) -> None:
        """Type a line; what it prints must be what the page says. `until`: when to press Ctrl-C, if at all."""
        line = self._with_ids(command.line)
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return
        if line.startswith("pip install "):
            assert version(line.removeprefix("pip install ").partition("[")[0].strip('"'))
            return
        if command.interrupts:
            shown = command.expected.partition("^C")[0]
            output, code = self.run(line, lambda printed: self._fits(shown, printed) and until())
        else:
            output, code = self.run(line)
        assert self._fits(command.expected, output), f"$ {line}\n{output}\n--- instead of\n{command.expected}"
        assert code == command.code, f"$ {line}\n{output}\n--- ended with {code}"

    def run(self, line: str, interrupt_when: Callable[[str], bool] | None = None) -> tuple[str, int]:
        """What a command prints, and its exit code."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C reaches it
        )
        os.close(theirs)
        try:
            return _read(ours, line, interrupt_when), process.wait(WAIT_SECONDS)
        finally:
            os.close(ours)
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()

    def _with_ids(self, text: str) -> str:
        return re.sub(ID, lambda found: self.ids.get(found[0], found[0]), text)

    def _fits(self, expected: str, output: str) -> bool:
        """Whether the output is what was expected. The ids in it are noted."""
        shown: list[str] = []
        expected, pattern, end = expected.strip(), "", 0
        for part in PARTS.finditer(expected):
            pattern += re.escape(expected[end : part.start()])
            end = part.end()
            if part["id"] is None:
                pattern += next(DIFFERENT[key] for key in DIFFERENT if re.fullmatch(key, part[0]))
            elif part[0] in self.ids:
                pattern += self.ids[part[0]]
            elif part[0] in shown:
                pattern += f"(?P=id{shown.index(part[0])})"
            else:
                pattern += f"(?P<id{len(shown)}>{ID})"
                shown.append(part[0])
        match = re.fullmatch(pattern + re.escape(expected[end:]), output.strip(), re.DOTALL)
        if match:
            self.ids.update({id_: match[f"id{number}"] for number, id_ in enumerate(shown)})
        return match is not None


def _read(terminal: int, line: str, interrupt_when: Callable[[str], bool] | None) -> str:
    """Everything up to the end of the command."""
    output, deadline = b"", time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if interrupt_when is not None and interrupt_when(_text(output)):
            interrupt_when = None
            os.write(terminal, b"\x03")
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side is closed
            piece = b""
        if not piece:
            return _text(output)
        output += piece
    raise AssertionError(f"$ {line}\n{_text(output)}\n--- did not end")


def _text(output: bytes) -> str:
    # A page, as an editor, has no blanks at the end of lines.
    return re.sub(r"[ \t]+$", "", output.decode(errors="replace").replace("\r\n", "\n"), flags=re.MULTILINE)
