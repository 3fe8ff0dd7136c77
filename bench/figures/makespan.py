"""1,000 runs at once in one process, two model requests of 1 s each: time against bare, and memory."""

from __future__ import annotations

import asyncio
import resource
import time
from functools import partial

from bench.child import in_child
from bench.figure import Figure, interleaved, ratio_of_rounds, say

RUNS = 1000
LATENCY = 1.0
ROUNDS = 3


def compare() -> float:
    from bench.workload.agents import two_drafts
    from bench.workload.conversation import DRAFT_AND_ANSWER, model_of
    from bench.workload.runs import Runs, pair

    bare, retinue = pair(two_drafts(model_of(DRAFT_AND_ANSWER, lambda: LATENCY)))

    async def seconds(runs: Runs) -> float:
        before = time.perf_counter()
        await runs.at_once(RUNS, RUNS)
        return time.perf_counter() - before

    variants = [partial(seconds, bare), partial(seconds, retinue)]
    return ratio_of_rounds(asyncio.run(interleaved(variants, ROUNDS)))


def memory() -> float:
    """MiB of a process at its peak, when it does this with Retinue."""
    from bench.workload.agents import two_drafts
    from bench.workload.conversation import DRAFT_AND_ANSWER, model_of
    from bench.workload.runs import pair

    _, retinue = pair(two_drafts(model_of(DRAFT_AND_ANSWER, lambda: LATENCY)))
    asyncio.run(retinue.at_once(RUNS, RUNS))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def most_memory() -> float:
    peaks = {vendor: in_child(memory, vendor) for vendor in ("sqlite", "postgresql")}
    say("  ".join(f"{vendor} {peak:.0f} MiB" for vendor, peak in peaks.items()))
    return max(peaks.values())


FIGURES = [
    Figure(name="makespan_1000_sqlite", unit="ratio", measure=partial(in_child, compare, "sqlite")),
    Figure(name="makespan_1000_pg", unit="ratio", measure=partial(in_child, compare, "postgresql")),
    Figure(name="makespan_1000_rss_mib", unit="MiB", digits=0, measure=most_memory),
]
