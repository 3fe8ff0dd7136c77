"""The README and the pages under docs/, as the tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
QUICKSTART = ROOT / "docs" / "quickstart.md"
COMMANDS = ROOT / "docs" / "commands.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^(?P<where>In|At the end of) `(?P<path>[\w/.-]+)`(?:.|\n(?!\n))*:\n+\Z", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    heading: str
    """The heading of the second level that it stands under."""
    language: str
    body: str
    path: str = ""
    """The file that the sentence before it names: “In `notes/agents.py`:” or “At the end of `…`:”."""
    appended: bool = False
    """Whether it goes to the end of that file; it is the whole file otherwise."""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_followed(self) -> bool:
        """Whether it belongs to the quick start, which tests/projects follows in a project of its own."""
        return self.page in (QUICKSTART, COMMANDS) or (self.page == README and self.heading == "Quick start")

    def commands(self) -> Iterator[Command]:
        """The commands of a console block, each with what the page says it prints."""
        for part in re.split(r"^\$ ", self.body, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            yield Command(command, expected)


@dataclass(frozen=True)
class Command:
    """A line that a reader types, and what it prints."""

    line: str
    expected: str

    @property
    def interrupts(self) -> bool:
        """Whether the reader presses Ctrl-C."""
        return "^C" in self.expected

    @property
    def code(self) -> int:
        """The exit code that goes with what is printed."""
        if "CommandError:" in self.expected:
            return 1
        return 3 if re.search(r"^Execution \S+ waits for a decision", self.expected, re.MULTILINE) else 0


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    text, found, seen = page.read_text(), [], 0
    for match in _FENCE.finditer(text):
        file = _FILE.search(text, seen, match.start())
        headings = re.findall(r"^## (.*)$", text[: match.start()], re.MULTILINE)
        found.append(
            Block(
                page=page,
                line=text.count("\n", 0, match.start()) + 1,
                heading=headings[-1] if headings else "",
                language=match[1],
                body=match[2],
                path=file["path"] if file else "",
                appended=bool(file and file["where"] != "In"),
            )
        )
        seen = match.end()
    return found


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next of its level."""
    text = page.read_text()
    begin = text.index(f"\n{heading}\n")
    level = heading.partition(" ")[0]
    end = text.find(f"\n{level} ", begin + 1)
    return text[begin : end if end >= 0 else None]
