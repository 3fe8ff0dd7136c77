"""Where a run may be stopped: between steps, never within one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from retinue.conf import get_settings
from retinue.runtime.journal.lookups import Renew
from retinue.runtime.run import HandedBack, LeaseLost, Run


@asynccontextmanager
async def step_boundary(run: Run) -> AsyncIterator[None]:
    """Around something that really happens. While the worker drains, nothing new starts."""
    if run.lost:
        raise LeaseLost(f"The lease of execution {run.id} is gone.")
    if time.monotonic() > run.lease_until:
        # The process stood still, or could not reach the database: another may be at it, or even be done.
        began = time.monotonic()
        await run.bridge.journal.write(Renew(run=run))
        run.lease_until = began + get_settings().lease_seconds
    while run.draining:
        if run.in_flight == 0:
            raise HandedBack
        run.idle.clear()
        await run.idle.wait()
    run.live = True
    run.in_flight += 1
    try:
        yield
    finally:
        run.in_flight -= 1
        if run.draining and run.in_flight == 0:
            run.idle.set()
