"""What a figure is, and how two ways of doing the same are compared."""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number to measure, in a unit."""

    name: str
    unit: str
    measure: Callable[[], float]
    digits: int = 2


async def interleaved(variants: Sequence[Callable[[], Awaitable[float]]], rounds: int) -> list[list[float]]:
    """The values of each variant, one a round, after a round to warm up; they take turns in beginning."""
    values: list[list[float]] = [[0.0] * (rounds + 1) for _ in variants]
    for number in range(rounds + 1):
        for offset in range(len(variants)):
            which = (number + offset) % len(variants)
            gc.collect()  # one variant's garbage is not the other's work
            values[which][number] = await variants[which]()
        say("  ".join(f"{value[number]:.4f}" for value in values))
    return [value[1:] for value in values]


def ratio_of_rounds(values: list[list[float]]) -> float:
    """The median over the rounds of second ÷ first."""
    return median(second / first for first, second in zip(*values, strict=True))


def ratio_of_medians(values: list[list[float]]) -> float:
    return median(values[1]) / median(values[0])


def say(text: str) -> None:
    """Tell a watcher something that is not a result."""
    print(f"  {text}", file=sys.stderr, flush=True)
