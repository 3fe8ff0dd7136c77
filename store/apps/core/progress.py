"""A bar that grows on a terminal, and says nothing anywhere else."""

from __future__ import annotations

from typing import Any

WIDTH = 30


class ProgressBar:
    """Writes `Reviews [#####     ]  34/150` over itself, where `out` is a terminal."""

    def __init__(self, out: Any, label: str) -> None:
        self.out = out
        self.label = label

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is."""
        if not self.out.isatty():
            return
        filled = WIDTH * done // max(total, 1)
        bar = "#" * filled + " " * (WIDTH - filled)
        self.out.write(f"\r{self.label} [{bar}] {done}/{total}", ending="" if done < total else "\n")
        self.out.flush()
