"""Whether the ledger proves its counters: every entry is there, every sum is right, and nothing stays held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from retinue.budgets.models import BudgetPeriod, Hold, LedgerEntry
from retinue.executions.models import AgentExecution
from retinue.executions.states import OPEN

CHUNK = 2_000
COUNTERS = {
    "held": "reserved_steps",
    "used": "spent_steps",
    "granted": "granted_steps",
    "entries": "entries",
}
SUMS = {"held": Sum("reserved_change"), "used": Sum("spent_change"), "granted": Sum("granted_change")}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that does not add up."""

    period: BudgetPeriod
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.period}: {self.what}: expected {self.expected}, found {self.found}."


def counts(alias: str) -> tuple[int, int]:
    """How many periods and entries there are."""
    return BudgetPeriod.objects.using(alias).count(), LedgerEntry.objects.using(alias).count()


def differences(alias: str) -> Iterator[Difference]:
    """Whatever does not add up. The database does the sums; only what differs is read."""
    yield from _wrong_entries(alias)
    yield from _overruns(alias)
    yield from _wrong_counters(alias)
    yield from _forgotten_holds(alias)


@contextmanager
def one_moment(alias: str) -> Iterator[None]:
    """Have all queries see the same moment while runs go on, without keeping anyone from writing."""
    connection = connections[alias]
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":  # where Django's own transactions may take the write lock
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic(using=alias):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


def _entries(alias: str) -> Any:
    return LedgerEntry.objects.using(alias).order_by()


def _wrong_entries(alias: str) -> Iterator[Difference]:
    """Entries that do not follow from the one before. What follows from a wrong one is not named again."""
    follows = Exists(
        _entries(alias).filter(
            period=OuterRef("period"),
            number=OuterRef("number") - 1,
            reserved_steps=OuterRef("reserved_steps") - OuterRef("reserved_change"),
            spent_steps=OuterRef("spent_steps") - OuterRef("spent_change"),
        )
    )
    begins = Q(number=1, reserved_steps=F("reserved_change"), spent_steps=F("spent_change"))
    rows = _entries(alias).filter(~begins, ~follows).select_related("period__budget")
    for row in rows.iterator(chunk_size=CHUNK):
        before = _entries(alias).filter(period=row.period, number__lt=row.number).order_by("-number").first()
        number, reserved, spent = (before.number, before.reserved_steps, before.spent_steps) if before else (0, 0, 0)
        entry = f"entry {row.number}"
        if row.number != number + 1:
            what = f"{entry}, number"
            yield Difference(period=row.period, what=what, expected=str(number + 1), found=str(row.number))
        for name, found, expected in (
            ("held", row.reserved_steps, reserved + row.reserved_change),
            ("used", row.spent_steps, spent + row.spent_change),
        ):
            if found != expected:
                yield _in_steps(row.period, f"{entry}, {name} after it", expected, found)


def _overruns(alias: str) -> Iterator[Difference]:
    """Entries that go beyond the limit without saying so."""
    rows = _entries(alias).filter(
        ~Q(kind=LedgerEntry.Kind.OVERAGE),
        reserved_change__gt=-F("spent_change"),
        reserved_steps__gt=F("limit_steps") - F("spent_steps"),
    )
    for row in rows.select_related("period__budget").iterator(chunk_size=CHUNK):
        unit = row.unit
        yield Difference(
            period=row.period,
            what=f"entry {row.number}, held and used",
            expected=f"at most {unit.describe(row.limit_steps)}",
            found=unit.describe(row.reserved_steps + row.spent_steps),
        )


def _wrong_counters(alias: str) -> Iterator[Difference]:
    """Periods whose counters are not the sums of their entries."""
    sums = _entries(alias).values("period_id").annotate(**SUMS, entries=Count("pk"))
    differ = Q()
    for name in (*SUMS, "entries"):
        differ |= ~Q(**{name: F(f"period__{COUNTERS[name]}")})
    for row in sums.filter(differ).iterator(chunk_size=CHUNK):
        yield from _compared(_period(alias, row["period_id"]), row)
    empty = ~Exists(LedgerEntry.objects.using(alias).filter(period=OuterRef("pk")))
    zero = Q(**dict.fromkeys(COUNTERS.values(), 0))
    for period in BudgetPeriod.objects.using(alias).filter(empty, ~zero).select_related("budget").iterator():
        yield from _compared(period, dict.fromkeys(COUNTERS, 0))


def _compared(period: BudgetPeriod, sums: dict[str, Any]) -> Iterator[Difference]:
    for name, column in COUNTERS.items():
        found, expected = getattr(period, column), sums[name]
        if found == expected:
            continue
        if name == "entries":
            yield Difference(period=period, what=name, expected=str(expected), found=str(found))
        else:
            yield _in_steps(period, name, expected, found)


def _forgotten_holds(alias: str) -> Iterator[Difference]:
    """What is held for runs that ended, for holds that were closed, or for nothing that is there."""
    same = {"pk": OuterRef("reference")}
    goes_on = Exists(AgentExecution.objects.using(alias).filter(status__in=OPEN, **same))
    is_open = Exists(Hold.objects.using(alias).filter(closed_at=None, **same))
    sums = _entries(alias).values("period_id", "reference").annotate(held=Sum("reserved_change"))
    for row in sums.filter(Q(held__lt=0) | Q(held__gt=0) & ~goes_on & ~is_open).iterator(chunk_size=CHUNK):
        what = f"held for {row['reference'] or 'nobody'}"
        yield _in_steps(_period(alias, row["period_id"]), what, 0, row["held"])


def _period(alias: str, pk: int) -> BudgetPeriod:
    return BudgetPeriod.objects.using(alias).select_related("budget").get(pk=pk)


def _in_steps(period: BudgetPeriod, what: str, expected: int, found: int) -> Difference:
    unit = period.unit
    return Difference(period=period, what=what, expected=unit.describe(expected), found=unit.describe(found))
