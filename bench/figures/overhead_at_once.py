"""CPU time of a one-tool run among 100 at once, against the same on bare pydantic-ai.

Two model requests with 0 to 200 ms of latency each, one transactional tool with one ORM write; tracked,
durable and permission-checked, for ordinary users. Without a budget, and with one that all runs share: then each
request's worst case is held before it is made, and what it used is settled with its step.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial

from bench.child import in_child
from bench.figure import Figure, interleaved, ratio_of_rounds

CONCURRENCY = 100
RUNS = 500
ROUNDS = 6
SEED = 20_260


def compare(model_name: str | None = None) -> float:
    from bench.workload.agents import one_tool
    from bench.workload.conversation import NOTE_AND_ANSWER, model_of
    from bench.workload.runs import Runs, pair

    latencies = random.Random(SEED)
    bare, retinue = pair(one_tool(model_of(NOTE_AND_ANSWER, lambda: latencies.uniform(0.0, 0.2), model_name)))

    async def milliseconds(runs: Runs) -> float:
        latencies.seed(SEED)
        before = time.process_time()
        await runs.at_once(RUNS, CONCURRENCY)
        return (time.process_time() - before) / RUNS * 1000

    variants = [partial(milliseconds, bare), partial(milliseconds, retinue)]
    return ratio_of_rounds(asyncio.run(interleaved(variants, ROUNDS)))


def compare_with_budget() -> float:
    from retinue.budgets.models import Budget, BudgetPeriod, LedgerEntry

    budget = Budget(owner_type="everyone", unit="usd", period="month")
    budget.limit = 1_000_000
    budget.save()
    ratio = compare("priced")
    requests = 2 * RUNS * (ROUNDS + 1)
    assert LedgerEntry.objects.filter(kind="settle").count() == requests
    assert BudgetPeriod.objects.get().reserved == 0
    return ratio


FIGURES = [
    Figure(name="run_overhead_c100_sqlite", unit="ratio", measure=partial(in_child, compare, "sqlite")),
    Figure(name="run_overhead_c100_pg", unit="ratio", measure=partial(in_child, compare, "postgresql")),
    Figure(
        name="run_overhead_budget_c100_sqlite", unit="ratio", measure=partial(in_child, compare_with_budget, "sqlite")
    ),
    Figure(
        name="run_overhead_budget_c100_pg", unit="ratio", measure=partial(in_child, compare_with_budget, "postgresql")
    ),
]
