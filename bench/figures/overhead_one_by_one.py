"""Time of a one-tool run alone, without model latency, against the same on bare pydantic-ai."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from bench.child import in_child
from bench.figure import Figure, interleaved, ratio_of_medians

RUNS = 50
ROUNDS = 15


def compare() -> float:
    from bench.workload.agents import one_tool
    from bench.workload.conversation import NOTE_AND_ANSWER, model_of
    from bench.workload.runs import Runs, pair

    bare, retinue = pair(one_tool(model_of(NOTE_AND_ANSWER)))

    async def milliseconds(runs: Runs) -> float:
        before = time.perf_counter()
        await runs.one_by_one(RUNS)
        return (time.perf_counter() - before) / RUNS * 1000

    variants = [partial(milliseconds, bare), partial(milliseconds, retinue)]
    return ratio_of_medians(asyncio.run(interleaved(variants, ROUNDS)))


FIGURES = [
    Figure(name="run_overhead_seq_sqlite", unit="ratio", measure=partial(in_child, compare, "sqlite")),
    Figure(name="run_overhead_seq_pg", unit="ratio", measure=partial(in_child, compare, "postgresql")),
]
