"""What each tortured execution is to do, and what a person decides about it. Chance has no part in it.

A run is named by its label, and so is every call in it: `r12.1.0` is the first call of the second turn of
the run `r12`. Whoever knows the label knows what must be there at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from zlib import crc32

SCRIPTS: dict[str, list[list[str]]] = {
    "batch": [["write", "awrite", "append_retry", "look"], ["write"], ["awrite", "write"]],
    "delegates": [["delegate:answer", "delegate:answer", "write"], ["delegate_both:answer"], ["write"]],
    "external": [["append_ask", "write", "append_fail", "append_retry"], ["append_ask", "awrite"], ["write"]],
    "approval": [["sell", "write", "append_retry"], ["ship", "awrite"], ["write"]],
    "judged": [["write_judged", "append_judged", "write"], ["write"]],
    "family": [["delegate:errand", "write", "delegate:errand"], ["write"]],
    # What a delegated run does.
    "answer": [["write"], ["append_retry"]],
    "errand": [["sell", "append_ask"], ["write"]],
}
ROOTS = ("batch", "delegates", "external", "approval", "judged", "family")
EXTERNAL = frozenset({"append_retry", "append_ask", "append_fail", "ship", "append_judged"})
WRITERS = frozenset({"write", "awrite", "sell", "write_judged"})
DENIAL = "Not today."
CHANGED = "-changed"


@dataclass(frozen=True)
class Call:
    """One call of a tool in a script."""

    label: str
    tool: str
    kind: str = ""
    """What the runs that it delegates to do."""

    @property
    def call_id(self) -> str:
        return f"call-{self.label}"

    @property
    def children(self) -> list[str]:
        """The labels of the runs that it delegates to."""
        match self.tool:
            case "delegate":
                return [f"{self.label}.d"]
            case "delegate_both":
                return [f"{self.label}.d0", f"{self.label}.d1"]
            case _:
                return []


@cache
def turns(kind: str, label: str) -> list[list[Call]]:
    """The calls of a run, turn by turn; one more answer ends it."""
    return [
        [Call(f"{label}.{turn}.{place}", *name.split(":")) for place, name in enumerate(names)]
        for turn, names in enumerate(SCRIPTS[kind])
    ]


def every_call(kind: str, label: str) -> Iterator[Call]:
    """All calls of a run and of those that it delegates to."""
    for calls in turns(kind, label):
        for call in calls:
            yield call
            for child in call.children:
                yield from every_call(call.kind, child)


def every_run(kind: str, label: str) -> Iterator[tuple[str, str]]:
    """Kind and label of a run and of those that it delegates to."""
    yield kind, label
    for calls in turns(kind, label):
        for call in calls:
            for child in call.children:
                yield from every_run(call.kind, child)


def decision(label: str) -> str:
    """What a person says to a call that needs an approval: "approve", "change" or "deny"."""
    return ("approve", "change", "deny", "approve")[crc32(label.encode()) % 4]


def second_try(label: str, key: str) -> bool:
    """Whether a person lets a call that may have happened already be made again."""
    return crc32(f"{label} {key}".encode()) % 3 > 0
