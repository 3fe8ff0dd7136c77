"""From the commit of `enqueue` to the first model request, in another process: an idle worker's."""

from __future__ import annotations

import random
import time
from functools import partial
from statistics import median, quantiles

from bench.child import in_child
from bench.figure import Figure, say

ENQUEUED = 300
SEED = 20_260


def p99() -> float:
    from django.db import transaction

    from bench.worker import WorkerProcess
    from bench.workload.agents import prompt_starter
    from bench.workload.users import make_users

    (user,) = make_users(1)
    worker = WorkerProcess()
    pauses = random.Random(SEED)
    committed: dict[str, float] = {}
    for number in range(ENQUEUED):
        with transaction.atomic():
            transaction.on_commit(lambda: committed.update({str(number): time.time()}))  # noqa: B023 (called at once)
            prompt_starter.enqueue(str(number), user=user)
        time.sleep(pauses.uniform(0.03, 0.07))
    waits = sorted((asked.time - committed[asked.prompt]) * 1000 for asked in (worker.asked() for _ in committed))
    worker.stop()
    say(f"median {median(waits):.1f} ms, longest {waits[-1]:.1f} ms")
    return quantiles(waits, n=100)[98]


FIGURES = [
    Figure(name="enqueue_to_start_p99_ms_sqlite", unit="ms", digits=1, measure=partial(in_child, p99, "sqlite")),
    Figure(name="enqueue_to_start_p99_ms_pg", unit="ms", digits=1, measure=partial(in_child, p99, "postgresql")),
]
