"""A worker is killed in the middle of a run, another lives: how long until that one goes on with it.

With default settings. The worst of several kills, the first right after the lease was renewed.
"""

from __future__ import annotations

import time
from typing import Any

from bench.child import in_child
from bench.figure import Figure, say

AFTER_RENEWAL = (0.0, 1.7, 3.4)


def longest() -> float:
    from bench.worker import WorkerProcess
    from bench.workload.agents import endless
    from bench.workload.users import make_users

    (user,) = make_users(1)
    queues = [f"trial-{number}" for number in range(len(AFTER_RENEWAL))]
    victims = {queue: WorkerProcess([queue]) for queue in queues}
    executions = {queue: endless.enqueue(queue, user=user, queue=queue) for queue in queues}
    for victim in victims.values():
        victim.asked()
    other = WorkerProcess(queues)
    killed: dict[str, float] = {}
    for queue, pause in zip(queues, AFTER_RENEWAL, strict=True):
        _wait_for_renewal(executions[queue])
        time.sleep(pause)
        killed[queue] = time.time()
        victims[queue].kill()
    resumed = [other.asked() for _ in queues]
    other.kill()
    waits = [asked.time - killed[asked.prompt] for asked in resumed]
    say("  ".join(f"{wait:.1f} s" for wait in waits))
    return max(waits)


def _wait_for_renewal(execution: Any) -> None:
    execution.refresh_from_db(fields=["lease_expires"])
    before = execution.lease_expires
    while execution.lease_expires == before:
        time.sleep(0.02)
        execution.refresh_from_db(fields=["lease_expires"])


def longest_anywhere() -> float:
    return max(in_child(longest, vendor) for vendor in ("sqlite", "postgresql"))


FIGURES = [Figure(name="orphan_reclaim_s", unit="s", digits=1, measure=longest_anywhere)]
