"""Waiting for conditions, never for a time."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
WAIT_SECONDS = 180.0
"""So long that only what never comes is given up, on a machine that is slow and busy, too."""


def until(condition: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """What the condition gives, once that is true. Raises TimeoutError when it takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not true within {seconds:g} s.")
        time.sleep(0.005)
    return found


def least_disturbed(measure: Callable[[], float], enough: float, tries: int = 10) -> float:
    """The smallest of a few measurements: others use the machine, too. One that is small `enough` is the last."""
    smallest = math.inf
    for _ in range(tries):
        smallest = min(smallest, measure())
        if smallest < enough:
            break
    return smallest


async def opened(gate: threading.Event) -> None:
    """Wait for another thread on the loop, without a thread that could not be cancelled."""
    while not gate.is_set():
        await asyncio.sleep(0.005)
