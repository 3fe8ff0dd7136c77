"""Budgets for tests, and the ledger read again from its first entry: what it must say, whoever wrote it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group

from retinue.budgets.audit import differences
from retinue.budgets.models import Budget, BudgetPeriod, LedgerEntry
from retinue.types import Principal


def budget(owner: Any, unit: str, limit: Any, period: str = "total") -> Budget:
    """A budget of a user, a group, a guest's Principal, or of "everyone"."""
    match owner:
        case "everyone":
            kind, key = "everyone", ""
        case Principal():
            kind, key = owner.type, owner.key
        case Group():
            kind, key = "group", str(owner.pk)
        case user:
            kind, key = "user", str(user.pk)
    made = Budget(owner_type=kind, owner_key=key, unit=unit, period=period)
    made.limit = limit
    made.save()
    return made


def spent(*budgets: Budget) -> list[Decimal]:
    """What was used of each in all of its periods."""
    return [sum((p.spent for p in each.periods.all()), Decimal(0)) for each in budgets]


def entries(*budgets: Budget) -> list[str]:
    """The kinds of the entries of these budgets, in their order."""
    rows = LedgerEntry.objects.filter(period__budget__in=budgets).order_by("id")
    return list(rows.values_list("kind", flat=True))


def settled_steps(of: Budget) -> list[str]:
    """The steps that were settled, in the order of their entries."""
    rows = LedgerEntry.objects.filter(period__budget=of, spent_change__gt=0).order_by("period", "number")
    return list(rows.values_list("step", flat=True))


def check() -> None:
    """Each entry follows from the one before, none exceeds the limit but an overage, and the counters are their sum."""
    for period in BudgetPeriod.objects.select_related("budget"):
        reserved = used = granted = 0
        rows = list(LedgerEntry.objects.filter(period=period).order_by("number"))
        assert [row.number for row in rows] == list(range(1, period.entries + 1))
        for row in rows:
            more = row.reserved_change + row.spent_change
            reserved, used = reserved + row.reserved_change, used + row.spent_change
            granted += row.granted_change
            assert (row.reserved_steps, row.spent_steps) == (reserved, used), row
            assert reserved >= 0 and used >= 0, row
            assert more <= 0 or row.kind == LedgerEntry.Kind.OVERAGE or reserved + used <= row.limit_steps, row
        assert (period.reserved_steps, period.spent_steps, period.granted_steps) == (reserved, used, granted)
    assert [str(difference) for difference in differences("default")] == []


def check_settled() -> None:
    """The ledger is sound, and nothing is held any more, for nobody."""
    check()
    assert not BudgetPeriod.objects.exclude(reserved_steps=0).exists()
    held: dict[Any, int] = {}
    for reference, period, change in LedgerEntry.objects.values_list("reference", "period", "reserved_change"):
        held[reference, period] = held.get((reference, period), 0) + change
    assert not any(held.values())
