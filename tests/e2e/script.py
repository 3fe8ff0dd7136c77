"""What the model says to a prompt, and when: files in a folder that the test and the worker share.

    script.says("How many lamps?", [Call("find_product", name="lamp")], ["There are ", Gate("one"), "seven."])
    script.open("one")

Each argument after the prompt is one answer of the model, in pieces. A piece is a text, a call of a tool, or a gate,
at which the model waits until the test opens it: nothing depends on time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Gate:
    """The model goes on once the gate of this name is open."""

    name: str


class Call:
    """The model calls a tool."""

    def __init__(self, tool: str, **arguments: Any) -> None:
        self.tool = tool
        self.arguments = arguments


Piece = str | Gate | Call


class Script:
    """The scripts and gates of one test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def says(self, prompt: str, *answers: list[Piece] | str) -> str:
        """Write down what the model answers to a prompt; give the prompt."""
        pieces = [[answer] if isinstance(answer, str) else answer for answer in answers]
        self._file(prompt).write_text(json.dumps([[_packed(piece) for piece in answer] for answer in pieces]))
        return prompt

    def answers(self, prompt: str) -> list[list[Piece]]:
        """The answers to a prompt; without a script, the model says it again."""
        file = self._file(prompt)
        if not file.exists():
            return [[f"You said: {prompt}"]]
        return [[_unpacked(piece) for piece in answer] for answer in json.loads(file.read_text())]

    def open(self, gate: str) -> None:
        (self._folder / f"{gate}.open").touch()

    def is_open(self, gate: str) -> bool:
        return (self._folder / f"{gate}.open").exists()

    def _file(self, prompt: str) -> Path:
        return self._folder / f"{sha256(prompt.encode()).hexdigest()[:16]}.script"


def _packed(piece: Piece) -> Any:
    match piece:
        case Gate():
            return {"gate": piece.name}
        case Call():
            return {"call": piece.tool, "arguments": piece.arguments}
    return piece


def _unpacked(packed: Any) -> Piece:
    if isinstance(packed, str):
        return packed
    return Gate(packed["gate"]) if "gate" in packed else Call(packed["call"], **packed["arguments"])
