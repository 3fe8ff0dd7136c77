"""Running what a test enqueued."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from retinue.agents.registry import get_agent, registered
from retinue.errors import BudgetExceeded, ExecutionError
from retinue.executions.models import AgentExecution
from retinue.runtime.calls import run_claimed, transaction_state
from retinue.runtime.journal.claim import Claim
from retinue.runtime.loop.bridge import Bridge
from retinue.runtime.loop.engine import get_engine


def run_queued(*agents: Any) -> list[AgentExecution]:
    """Run everything that is queued or due, as a worker would, until nothing is left; give what ran, in order.

    In a TestCase in its own thread and transaction. `agents`: more than those of `agents` modules.
    """

    async def run_all(bridge: Bridge) -> list[Any]:
        ran = []
        while claimed := [
            *await bridge.journal.write(Claim(limit=100)),
            *await bridge.journal.write(Claim(limit=100, due=True)),
        ]:
            for run in claimed:
                with suppress(ExecutionError, BudgetExceeded):
                    await run_claimed(bridge, run, get_agent(run.execution.agent_name))
                ran.append(run.id)
        return ran

    engine = get_engine()
    with registered(*agents):
        if transaction_state() == "testcase":
            ids = engine.run_here(run_all)
        else:
            ids = engine.submit(lambda: run_all(engine.bridge)).result()
    found = AgentExecution.objects.in_bulk(ids)
    return [found[pk] for pk in dict.fromkeys(ids)]
