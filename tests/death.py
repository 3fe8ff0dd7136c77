"""The end of a process, as far as a test can have it within its own: at a point of the engine nothing goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime import points
from retinue.testing import run_queued


class Died(BaseException):
    """Stands for the end of the process: nothing is written after it."""


class Death:
    """Comes at the n-th time that a point is reached, and lets nothing pass any point from then on."""

    def __init__(self, point: str = "", number: int = 0) -> None:
        self.point = point
        self.left = number
        self.reached: list[str] = []
        self.dead = False

    def __call__(self, point: str) -> None:
        self.reached.append(point)
        if point == self.point and not self.dead:
            self.left -= 1
            self.dead = self.left == 0
        if self.dead:
            raise Died(point)


@contextmanager
def at(death: Callable[[str], None]) -> Iterator[Any]:
    points.hook = death
    try:
        yield death
    finally:
        points.hook = None


def after_steps(number: int) -> Callable[[str], None]:
    """Comes with the commit that brings the journal to so many steps (0: the execution itself)."""
    death = Death()

    def hook(point: str) -> None:
        on_lane = point in (points.AFTER_JOURNAL_COMMIT, points.AFTER_TOOL_COMMIT)
        death.dead = death.dead or (on_lane and ExecutionStep.objects.count() >= number)
        death(point)

    return hook


def died(agent: Any, user: Any, steps: int, prompt: str = "Go", **given: Any) -> Any:
    """A run whose process died once it had so many steps, put back as if its lease had lapsed."""
    with at(after_steps(steps)), pytest.raises(Died):
        agent.run_sync(prompt, user=user, **given)
    assert ExecutionStep.objects.count() == steps
    return orphaned()


def orphaned() -> Any:
    AgentExecution.objects.filter(status="running", parent=None).update(status="queued")
    return AgentExecution.objects.filter(parent=None).first()


def resumed(agent: Any) -> Any:
    """The execution after another process went on with it."""
    (ran,) = run_queued(agent)
    return ran
