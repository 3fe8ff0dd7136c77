"""Many runs of an agent, by either engine, from one event loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_ai import Agent

from bench.workload.agents import threads
from bench.workload.users import make_users
from retinue import DjangoAgent, DjangoDeps

USERS = 50


class Runs:
    """Runs of one agent, for one of a few users each."""

    def __init__(self, agent: Agent[Any, Any], users: list[Any]) -> None:
        users_in_turn = itertools.cycle(users)

        def run_retinue() -> Awaitable[Any]:
            return agent.run("Note it", user=next(users_in_turn))  # type: ignore[call-overload]

        async def run_bare() -> Any:
            with agent.using_thread_executor(threads()):
                return await agent.run("Note it", deps=DjangoDeps(user_id=next(users_in_turn).pk))

        self._one: Callable[[], Awaitable[Any]] = run_retinue if isinstance(agent, DjangoAgent) else run_bare

    async def one_by_one(self, number: int) -> None:
        for _ in range(number):
            check(await self._one())

    async def at_once(self, number: int, concurrency: int) -> None:
        """So many runs, never more than `concurrency` at a time."""
        left = iter(range(number))

        async def work() -> None:
            for _ in left:
                check(await self._one())

        await asyncio.gather(*(work() for _ in range(concurrency)))


def check(result: Any) -> None:
    assert result.output == "It is done.", result.output


def pair(agents: tuple[Agent[Any, Any], DjangoAgent[Any, Any]]) -> tuple[Runs, Runs]:
    """Both ways, for the same users."""
    users = make_users(USERS)
    bare, retinue = agents
    return Runs(bare, users), Runs(retinue, users)
