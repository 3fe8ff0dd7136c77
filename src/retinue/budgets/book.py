"""The one place that changes counters and writes entries.

A book is opened inside a transaction: it locks the periods that it is about in one fixed order, does its sums on
what it read under the locks, and writes everything with one update and one insert when it closes. So counters and
entries cannot differ, and entries are numbered in the order of commits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.utils import timezone

from retinue.budgets.models import SHARED, Budget, BudgetPeriod, LedgerEntry
from retinue.budgets.units import LARGEST, Unit, keys_at
from retinue.cursors import constant_cursor
from retinue.errors import BudgetExceeded, InvalidInput
from retinue.signals import budget_overage

Kind = LedgerEntry.Kind


@dataclass(slots=True)
class Account:
    """A period under lock."""

    id: int
    budget_id: int
    key: str
    reserved: int
    spent: int
    granted: int
    entries: int
    limit: int
    """The budget's own, grants left out."""
    unit: Unit
    is_shared: bool
    touched: bool = False

    @property
    def available(self) -> int:
        return self.limit + self.granted - self.reserved - self.spent


@dataclass(frozen=True, slots=True)
class Portion:
    """Steps that are held in a period."""

    budget_id: int
    period_id: int
    steps: int


@dataclass
class Book:
    """Use inside a transaction: `open`, then any number of changes, then `close`."""

    alias: str
    now: datetime = field(default_factory=lambda: timezone.now())
    _accounts: dict[int, Account] = field(default_factory=dict)
    _current: dict[int, Account] = field(default_factory=dict)
    _entries: list[dict[str, Any]] = field(default_factory=list)
    _moved: Counter[tuple[UUID | None, int]] = field(default_factory=Counter)
    """By how much these entries change what is held under a reference in a period."""
    _overages: list[tuple[int, int, UUID | None]] = field(default_factory=list)

    def open(self, budget_ids: Collection[int] = (), period_ids: Collection[int] = ()) -> None:
        """Lock the current periods of these budgets, and these periods. Those that are missing are made."""
        self._lock(budget_ids, period_ids)
        missing = [pk for pk in budget_ids if pk not in self._current]
        if missing:
            spans = dict(Budget.objects.using(self.alias).filter(pk__in=missing).values_list("pk", "period"))
            keys = {pk: Budget.Span(spans[pk]).key(self.now) for pk in missing if pk in spans}
            BudgetPeriod.objects.using(self.alias).bulk_create(
                [BudgetPeriod(budget_id=pk, key=key) for pk, key in sorted(keys.items())], ignore_conflicts=True
            )
            self._lock(budget_ids, period_ids)

    def _lock(self, budget_ids: Collection[int], period_ids: Collection[int]) -> None:
        keys = keys_at(self.now)
        parameters: list[Any] = [list(budget_ids), keys, list(period_ids)]
        with constant_cursor(self.alias) as cursor:
            if _is_postgresql(self.alias):
                cursor.execute(_LOCK_POSTGRESQL, parameters)
            else:
                cursor.execute(_LOCK_SQLITE, [json.dumps(value) for value in parameters])
            for row in cursor.fetchall():
                *numbers, unit, owner_type = row
                account = Account(*numbers, Unit(unit), owner_type in SHARED)  # type: ignore[call-arg]
                self._accounts[account.id] = account
                if account.key in keys:
                    self._current[account.budget_id] = account

    # --- changes

    def hold(
        self, wanted: Iterable[tuple[int, int]], *, reference: UUID, reason: str = "", made_by: str = ""
    ) -> list[Portion]:
        """Set aside `(budget id, steps)`, all or nothing. Raises BudgetExceeded."""
        asked = [(self._current[budget_id], steps) for budget_id, steps in wanted if budget_id in self._current]
        for account, steps in asked:
            if steps > account.available:
                raise exceeded(account, steps)
        for account, steps in asked:
            self._enter(account, Kind.HOLD, reserved=steps, reference=reference, reason=reason, made_by=made_by)
        return [Portion(account.budget_id, account.id, steps) for account, steps in asked]

    def settle(
        self,
        held: Sequence[Portion],
        used: int,
        *,
        keep: int = 0,
        reference: UUID | None,
        step: str = "",
        reason: str = "",
    ) -> list[Portion]:
        """Use what was held in one budget, and give the rest back but for `keep`, as far as there is room.

        Nothing is kept in a period that is over: what is asked for after it belongs to the next.

        Always succeeds: what was used is a fact. What goes beyond the hold is an overage. Gives what stays held.
        """  # fmt: skip
        left, kept = used, []
        for number, portion in enumerate(held, 1):
            account = self._accounts[portion.period_id]
            spent = min(left, portion.steps)
            left -= spent
            stays = 0
            if number == len(held) and self._current.get(account.budget_id) is account:
                stays = max(0, min(keep, account.available + portion.steps - spent - left))
            if spent or stays != portion.steps:
                kind = Kind.SETTLE if spent else Kind.RELEASE
                self._enter(
                    account, kind, reserved=stays - portion.steps, spent=spent, reference=reference, step=step,
                    reason=reason,
                )  # fmt: skip
            if stays:
                kept.append(Portion(account.budget_id, account.id, stays))
        if left and held:
            self._overage(self._accounts[held[-1].period_id], left, reference=reference, step=step, reason=reason)
        return kept

    def release(self, held: Sequence[Portion], *, reference: UUID, reason: str = "") -> None:
        """Give back what the ledger said was held before this book was opened."""
        for portion in held:
            left = portion.steps + self._moved[reference, portion.period_id]
            if left:
                account = self._accounts[portion.period_id]
                self._enter(account, Kind.RELEASE, reserved=-left, reference=reference, reason=reason)

    def settle_late(
        self, budget_id: int, used: int, *, reference: UUID | None, step: str = "", reason: str = ""
    ) -> None:
        """Use what nothing is held for any more."""
        account = self._current.get(budget_id)
        if account is None or not used:
            return
        if used <= account.available:
            self._enter(account, Kind.SETTLE, spent=used, reference=reference, step=step, reason=reason)
        else:
            self._overage(account, used, reference=reference, step=step, reason=reason)

    def _overage(self, account: Account, steps: int, **about: Any) -> None:
        self._enter(account, Kind.OVERAGE, spent=steps, **about)
        self._overages.append((account.id, steps, about["reference"]))

    def charge(self, budget_id: int, steps: int, *, reason: str = "", made_by: str = "") -> None:
        """Use at once. Raises BudgetExceeded."""
        account = self._current[budget_id]
        if steps > account.available:
            raise exceeded(account, steps)
        self._enter(account, Kind.CHARGE, spent=steps, reason=reason, made_by=made_by)

    def grant(self, budget_id: int, steps: int, *, reason: str, made_by: str = "") -> None:
        """Give on top of the limit, for the period that is now."""
        account = self._current[budget_id]
        _check_countable(account.unit, account.limit + account.granted + steps)
        self._enter(account, Kind.GRANT, granted=steps, reason=reason, made_by=made_by)

    def adjust(self, budget_id: int, steps: int, *, reason: str, made_by: str = "") -> None:
        """Correct what was used, up or down; never below nothing. What goes up beyond the limit is an overage."""
        account = self._current[budget_id]
        _check_countable(account.unit, account.spent + steps)
        over = max(steps - max(account.available, 0), 0)
        if steps != over:
            steps = max(steps - over, -account.spent)
            self._enter(account, Kind.ADJUST, spent=steps, reason=reason, made_by=made_by)
        if over:
            self._overage(account, over, reference=None, reason=reason, made_by=made_by)

    def spent(self, budget_id: int) -> int:
        """What was used of a budget in the period that is now."""
        return self._current[budget_id].spent

    def _enter(
        self,
        account: Account,
        kind: str,
        *,
        reserved: int = 0,
        spent: int = 0,
        granted: int = 0,
        reference: UUID | None = None,
        step: str = "",
        reason: str = "",
        made_by: str = "",
    ) -> None:
        account.reserved += reserved
        account.spent += spent
        account.granted += granted
        account.entries += 1
        account.touched = True
        self._moved[reference, account.id] += reserved
        values = [account.id, account.entries, kind, reserved, spent, granted, account.reserved, account.spent]
        values += [account.limit + account.granted, reference, step[:400], reason[:200], made_by, self.now]
        self._entries.append(dict(zip(_ENTRY, values, strict=True)))

    # --- writing

    def close(self) -> None:
        """Write the counters and the entries; the transaction's end makes them count."""
        changed = [account for account in self._accounts.values() if account.touched]
        if not changed:
            return
        rows = [
            {"id": a.id, "reserved": a.reserved, "spent": a.spent, "granted": a.granted, "entries": a.entries}
            for a in changed
        ]
        with constant_cursor(self.alias) as cursor:
            if _is_postgresql(self.alias):
                cursor.execute(_WRITE_POSTGRESQL, [json.dumps(self._entries, default=str), json.dumps(rows)])
            else:
                moment = connections[self.alias].ops.adapt_datetimefield_value(self.now)
                cursor.executemany(_UPDATE_SQLITE, [[*list(row.values())[1:], row["id"]] for row in rows])
                for entry in self._entries:
                    entry["created_at"] = moment
                    entry["reference"] = entry["reference"] and entry["reference"].hex
                cursor.executemany(_INSERT_SQLITE, [list(entry.values()) for entry in self._entries])
        for account in changed:
            account.touched = False
        overages, self._overages, self._entries = self._overages, [], []
        if overages:
            transaction.on_commit(lambda: announce(self.alias, overages), using=self.alias, robust=True)


def _check_countable(unit: Unit, steps: int) -> None:
    if steps > LARGEST:
        raise InvalidInput(f"{unit.describe(steps)} is more than can be counted.")


def exceeded(account: Account, needed: int) -> BudgetExceeded:
    """What is told to somebody whose budget does not reach: of one that he shares, not how it stands."""
    unit, available = account.unit, max(account.available, 0)
    left = unit.describe(available)
    sentence = f"The budget does not reach: up to {unit.describe(needed)} more are needed, and {left} are left."
    return BudgetExceeded(
        "A budget that is shared with others does not reach for this." if account.is_shared else sentence,
        unit=unit.value,
        needed=unit.to_amount(needed),
        available=unit.to_amount(available),
    )


def announce(alias: str, overages: list[tuple[int, int, UUID | None]]) -> None:
    """Tell the site of what was billed beyond a hold."""
    if not budget_overage.has_listeners(LedgerEntry):
        return
    periods = BudgetPeriod.objects.using(alias).select_related("budget").in_bulk([pk for pk, _, _ in overages])
    for pk, steps, reference in overages:
        period = periods[pk]
        budget_overage.send_robust(LedgerEntry, period=period, amount=period.unit.to_amount(steps), reference=reference)


def outstanding(alias: str, references: Collection[UUID]) -> dict[UUID, list[Portion]]:
    """What is still held under these references, from the ledger."""
    from django.db.models import Sum

    rows = (
        LedgerEntry.objects.using(alias)
        .filter(reference__in=list(references))
        .order_by()
        .values_list("reference", "period__budget_id", "period_id")
        .annotate(held=Sum("reserved_change"))
        .exclude(held=0)
    )
    found: dict[UUID, list[Portion]] = {}
    for reference, budget_id, period_id, steps in rows:
        assert reference is not None
        found.setdefault(reference, []).append(Portion(budget_id, period_id, steps))
    return found


def release_all(alias: str, references: Collection[UUID], reason: str) -> None:
    """Give back whatever is still held under these references. Call it in a transaction that ends them."""
    held = outstanding(alias, references)
    if not held:
        return
    book = Book(alias)
    book.open(period_ids={portion.period_id for portions in held.values() for portion in portions})
    for reference, portions in held.items():
        book.release(portions, reference=reference, reason=reason)
    book.close()


@lru_cache(maxsize=8)
def _is_postgresql(alias: str) -> bool:
    return connections[alias].vendor == "postgresql"


_ENTRY = (
    "period_id",
    "number",
    "kind",
    "reserved_change",
    "spent_change",
    "granted_change",
    "reserved_steps",
    "spent_steps",
    "limit_steps",
    "reference",
    "step",
    "reason",
    "made_by",
    "created_at",
)
_PERIODS, _BUDGETS, _LEDGER = (model._meta.db_table for model in (BudgetPeriod, Budget, LedgerEntry))
_READ = (
    "SELECT p.id, p.budget_id, p.key, p.reserved_steps, p.spent_steps, p.granted_steps, p.entries, b.limit_steps,"
    f" b.unit, b.owner_type FROM {_PERIODS} p JOIN {_BUDGETS} b ON b.id = p.budget_id"
    " WHERE (p.budget_id {among} AND p.key {among}) OR p.id {among} ORDER BY p.id"
)
_LOCK_POSTGRESQL = _READ.format(among="= ANY(%s)") + " FOR NO KEY UPDATE OF p"
_LOCK_SQLITE = _READ.format(among="IN (SELECT value FROM json_each(%s))")
_WRITE_POSTGRESQL = (
    f"WITH entry AS (INSERT INTO {_LEDGER} ({', '.join(_ENTRY)}) SELECT {', '.join(_ENTRY)}"
    f" FROM json_populate_recordset(NULL::{_LEDGER}, %s::json)) "
    f"UPDATE {_PERIODS} p SET reserved_steps = g.reserved, spent_steps = g.spent, granted_steps = g.granted,"
    " entries = g.entries FROM json_to_recordset(%s::json)"
    " AS g(id bigint, reserved bigint, spent bigint, granted bigint, entries bigint) WHERE p.id = g.id"
)
_UPDATE_SQLITE = (
    f"UPDATE {_PERIODS} SET reserved_steps = %s, spent_steps = %s, granted_steps = %s, entries = %s WHERE id = %s"
)
_INSERT_SQLITE = f"INSERT INTO {_LEDGER} ({', '.join(_ENTRY)}) VALUES ({', '.join(['%s'] * len(_ENTRY))})"
