"""Every figure by its name, in the order in which all are measured."""

from bench.figure import Figure
from bench.figures import (
    import_time,
    makespan,
    orphan_reclaim,
    overhead_at_once,
    overhead_one_by_one,
    start_latency,
    streams,
)

_MODULES = (overhead_at_once, overhead_one_by_one, makespan, start_latency, streams, orphan_reclaim, import_time)

FIGURES: dict[str, Figure] = {figure.name: figure for module in _MODULES for figure in module.FIGURES}
