"""What was paid for the tortured runs, against what they are on record to have used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from retinue.budgets.audit import differences
from retinue.budgets.models import Budget, BudgetPeriod, LedgerEntry
from retinue.budgets.units import Unit
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.executions.states import StepKind
from tests.budgets.ledger import budget
from tests.priced import PRICES

RETINUE = {"PRICES": PRICES, "DEFAULT_BUDGETS": []}
AMPLE = 10**6
CUT_OFF = "cut off"
"""The reason of entries for requests that a cancelled run did not wait for, and which thus are on no step."""


def give_budgets(user: Any) -> None:
    """One of his own in credits and one that all share in everything else, each ample."""
    budget(user, Unit.CREDITS, AMPLE, "month")
    for unit in (Unit.USD, Unit.TOKENS, Unit.REQUESTS):
        budget("everyone", unit, AMPLE * 1000)


def held() -> Iterator[str]:
    """What is set aside though everything has ended."""
    for period in BudgetPeriod.objects.exclude(reserved_steps=0).select_related("budget"):
        yield f"{period}: {period.reserved} are held"


def overspent() -> Iterator[str]:
    """Where the ledger does not add up, or has another figure than the runs have."""
    yield from map(str, differences("default"))
    steps = _used()
    for mine in Budget.objects.all():
        unit = Unit(mine.unit)
        settled, cut_off = _paid(mine, late=False), _paid(mine, late=True)
        for root in AgentExecution.objects.roots():
            used = steps[root.pk, unit]
            if settled[root.pk] != used:
                found, wanted = unit.describe(settled[root.pk]), unit.describe(used)
                yield f"{root.input_prompt}: {found} were paid for steps of {wanted}"
            total = _total(root, unit)
            if total is not None and total != used + cut_off[root.pk]:
                yield f"{root.input_prompt}: is on record with {unit.describe(total)}, not {unit.describe(used)}"


def _used() -> Counter[tuple[Any, str]]:
    """What the recorded requests of each root used, in the steps of each unit."""
    used: Counter[tuple[Any, str]] = Counter()
    for step in ExecutionStep.objects.filter(kind=StepKind.MODEL).select_related("execution"):
        root = step.execution.root_id
        used[root, Unit.REQUESTS] += 1
        used[root, Unit.TOKENS] += step.input_tokens + step.output_tokens
        used[root, Unit.USD] += Unit.USD.to_steps(step.cost or 0)
        used[root, Unit.CREDITS] += Unit.CREDITS.to_steps(step.charge or 0)
    return used


def _paid(mine: Budget, *, late: bool) -> Counter[Any]:
    rows = LedgerEntry.objects.filter(period__budget=mine)
    paid: Counter[Any] = Counter()
    for reference, spent in (rows.filter(reason=CUT_OFF) if late else rows.exclude(reason=CUT_OFF)).values_list(
        "reference", "spent_change"
    ):
        paid[reference] += spent
    return paid


def _total(root: AgentExecution, unit: Unit) -> int | None:
    """The figure of the run itself; None where it has none."""
    match unit:
        case Unit.USD:
            return None if root.cost is None else unit.to_steps(root.cost)
        case Unit.CREDITS:
            return None if root.charge is None else unit.to_steps(root.charge)
        case _:
            return None
