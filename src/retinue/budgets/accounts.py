"""What a site's own code does with budgets: look, grant, adjust, hold, charge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from django.db import OperationalError, connections, transaction
from django.utils import timezone

from retinue.budgets.applicable import applicable
from retinue.budgets.book import Book, Portion, outstanding
from retinue.budgets.models import Budget, BudgetPeriod
from retinue.budgets.models import Hold as HoldRow
from retinue.budgets.units import Span, Unit
from retinue.conf import get_settings
from retinue.errors import BudgetExceeded, InvalidInput
from retinue.types import Principal

Owner: TypeAlias = Any
"""A user, a `Principal`, or a `Budget` itself."""


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How one budget stands now. Amounts are in `unit`; `unit_name` is what people see."""

    budget: Budget
    unit: str
    unit_name: str
    limit: Decimal
    """Grants included."""
    spent: Decimal
    reserved: Decimal
    available: Decimal
    """Below nothing where the limit was lowered, or a provider billed more than was held."""
    renews: date | None
    """The first day of the next period; None where there is none."""

    @property
    def percent(self) -> float:
        """How much of the limit is used, in percent; 0 at a limit of zero."""
        return float(round(100 * self.spent / self.limit, 1)) if self.limit else 0.0


def principal_of(owner: Owner) -> Principal:
    """For whom. Raises InvalidInput for somebody who is nobody."""
    if isinstance(owner, Principal):
        return owner
    if getattr(owner, "pk", None) is None:
        raise InvalidInput("An anonymous user has no budget; a site may name a guest by a Principal.")
    return Principal.of(owner)


def balance(owner: Owner, unit: str | None = None) -> list[Balance]:
    """How the budgets that apply to somebody stand now: his own, his groups', everyone's (of one unit, if given)."""
    alias = get_settings().database
    principal = principal_of(owner)
    ids = [a.budget_id for a in applicable(alias, [principal])[principal] if unit in (None, a.unit)]
    return balances(Budget.objects.using(alias).filter(pk__in=ids).order_by("pk"))


def balances(budgets: Any) -> list[Balance]:
    """How these budgets stand now, with two queries."""
    now = timezone.now()
    rows = list(budgets)
    keys = {span.key(now) for span in Span}
    periods = {
        (p.budget_id, p.key): p
        for p in BudgetPeriod.objects.using(get_settings().database).filter(budget__in=rows, key__in=keys)
    }
    found = []
    for budget in rows:
        span, unit = Span(budget.period), Unit(budget.unit)
        period = periods.get((budget.pk, span.key(now))) or BudgetPeriod(budget=budget)
        period.budget = budget
        found.append(
            Balance(
                budget=budget,
                unit=unit.value,
                unit_name=unit.shown,
                limit=unit.to_amount(period.limit_steps),
                spent=period.spent,
                reserved=period.reserved,
                available=unit.to_amount(period.available_steps),
                renews=span.ends(now),
            )
        )
    return found


def check(principal: Principal) -> None:
    """Raise BudgetExceeded where a budget of somebody cannot pay for anything now. Sets nothing aside."""
    for state in balance(principal):
        if state.available <= 0:
            when = f" until {state.renews:%Y-%m-%d}" if state.renews else ""
            of = f"The budget of {state.limit.normalize():f} {state.unit_name}"
            raise BudgetExceeded(
                f"{'A budget that is shared with others' if state.budget.is_shared else of} is used up{when}.",
                unit=state.unit,
                available=max(state.available, Decimal(0)),
            )


def grant(
    owner: Owner,
    amount: Decimal | int | str,
    *,
    unit: str = "credits",
    period: str | None = None,
    reason: str,
    by: Any = None,
) -> Balance:
    """Give somebody more than his limit, in the period that is now (for good, where the period is "total").

    Where he has no budget of his own in that unit, he gets one in total with a limit of zero. Raises InvalidInput.
    """  # fmt: skip
    budget = own_budget(owner, unit, period, make=True)
    steps = Unit(budget.unit).to_steps(amount)
    if steps <= 0:
        raise InvalidInput(f"A grant is more than nothing, not {amount}.")
    return _change(budget, lambda book: book.grant(budget.pk, steps, reason=_said(reason), made_by=_key(by)))


def adjust(
    owner: Owner,
    amount: Decimal | int | str,
    *,
    unit: str = "credits",
    period: str | None = None,
    reason: str,
    by: Any = None,
) -> Balance:
    """Correct what somebody used in the period that is now: up, or down with a negative amount (a refund).

    Raises InvalidInput where less than nothing would be used.
    """  # fmt: skip
    budget = own_budget(owner, unit, period)
    steps = Unit(budget.unit).to_steps(amount)

    def change(book: Book) -> None:
        if book.spent(budget.pk) + steps < 0:
            raise InvalidInput(f"Only {Unit(budget.unit).describe(book.spent(budget.pk))} are used.")
        book.adjust(budget.pk, steps, reason=_said(reason), made_by=_key(by))

    return _change(budget, change)


def charge(owner: Owner, amount: Decimal | int | str, *, unit: str = "credits", reason: str = "") -> None:
    """Use so much at once, of every budget of that unit that applies. Raises BudgetExceeded."""
    budgets = [owner] if isinstance(owner, Budget) else _budgets(owner, unit)
    steps = _positive(amount, Unit(budgets[0].unit if isinstance(owner, Budget) else unit))

    def change(book: Book) -> None:
        book.open(budget_ids=[b.pk for b in budgets])
        for budget in budgets:
            book.charge(budget.pk, steps, reason=reason)

    _in_book(change)


@dataclass
class Held:
    """An amount that is set aside."""

    row: HoldRow
    portions: list[Portion]
    unit: Unit
    is_open: bool = field(default=True)

    def settle(self, amount: Decimal | int | str) -> None:
        """Use so much of it, and give the rest back. More than was held is an overage."""
        self._close(self.unit.to_steps(amount))

    def release(self) -> None:
        """Give all of it back."""
        self._close(0)

    def _close(self, used: int) -> None:
        if used < 0:
            raise InvalidInput("Less than nothing cannot be used.")
        if not self.is_open:
            raise InvalidInput("This was settled before.")

        def change(book: Book) -> None:
            alias = get_settings().database
            open_rows = HoldRow.objects.using(alias).filter(pk=self.row.pk, closed_at=None)
            if not open_rows.update(closed_at=timezone.now()):
                raise InvalidInput("This was settled before, or its time was over.")
            book.open(period_ids=[p.period_id for p in self.portions])
            for portion in self.portions:
                book.settle([portion], used, reference=self.row.pk, reason=self.row.reason)

        _in_book(change)
        self.is_open = False


@contextmanager
def hold(
    owner: Owner, amount: Decimal | int | str, *, unit: str = "credits", reason: str = "", seconds: float = 3600.0
) -> Iterator[Held]:
    """Set an amount aside while something is done for somebody. Raises BudgetExceeded where it is not there.

        with hold(user, "0.10", unit="usd", reason="picture") as held:
            held.settle(make_picture().price)

    What is not settled is given back at the end; should the process die, after `seconds`.
    """
    budgets = _budgets(owner, unit)
    steps = _positive(amount, Unit(unit := owner.unit if isinstance(owner, Budget) else unit))
    alias = get_settings().database
    now = timezone.now()
    row = HoldRow(reason=reason[:200], created_at=now, expires_at=now + timedelta(seconds=seconds))

    def take(book: Book) -> list[Portion]:
        book.open(budget_ids=[b.pk for b in budgets])
        portions = book.hold([(b.pk, steps) for b in budgets], reference=row.pk, reason=reason)
        row.save(using=alias, force_insert=True)
        return portions

    held = Held(row, _in_book(take), Unit(unit))
    try:
        yield held
    finally:
        if held.is_open:
            with suppress(InvalidInput):  # its time was over
                held.release()


def release_expired(alias: str) -> int:
    """Give back what the site's own code held and forgot."""
    released = 0
    for row in HoldRow.objects.using(alias).filter(closed_at=None, expires_at__lt=timezone.now())[:100]:
        with suppress(InvalidInput):
            portions = outstanding(alias, [row.pk]).get(row.pk, [])
            Held(row, portions, Unit.USD).release()
            released += 1
    return released


def own_budget(owner: Owner, unit: str, period: str | None, *, make: bool = False) -> Budget:
    """Somebody's own budget of a unit. Raises InvalidInput where there is none, or where it is not clear which."""
    if isinstance(owner, Budget):
        return owner
    if unit not in Unit.values:
        raise InvalidInput(f"There is no unit {unit!r}: {', '.join(Unit.values)}.")
    if period is not None and period not in Span.values:
        raise InvalidInput(f"There is no period {period!r}: {', '.join(Span.values)}.")
    alias, principal = get_settings().database, principal_of(owner)
    applicable(alias, [principal])  # makes the default budgets
    rows = Budget.objects.using(alias).filter(
        owner_type=principal.type, owner_key=principal.key, unit=unit, is_active=True
    )
    found = list(rows.filter(period=period) if period else rows)
    if not found and make:
        return Budget.objects.using(alias).get_or_create(
            owner_type=principal.type,
            owner_key=principal.key,
            unit=unit,
            period=period or Span.TOTAL,
            defaults={"limit_steps": 0, "is_active": True},
        )[0]
    if not found:
        raise InvalidInput(f"{principal} has no budget of {Unit(unit).shown}.")
    if len(found) > 1:
        raise InvalidInput(f"{principal} has several budgets of {Unit(unit).shown}: say which period.")
    return found[0]


def _budgets(owner: Owner, unit: str) -> list[Budget]:
    if unit not in Unit.values:
        raise InvalidInput(f"There is no unit {unit!r}: {', '.join(Unit.values)}.")
    if isinstance(owner, Budget):
        return [owner]
    return [state.budget for state in balance(owner, unit)]


def _positive(amount: Decimal | int | str, unit: Unit) -> int:
    steps = unit.to_steps(amount)
    if steps < 0:
        raise InvalidInput(f"An amount is not less than nothing: {amount}.")
    return steps


def _said(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("Say the reason: it stays in the ledger.")
    return reason


def _key(by: Any) -> str:
    return "" if by is None else str(by.pk)


def _change(budget: Budget, change: Any) -> Balance:
    def opened(book: Book) -> None:
        book.open(budget_ids=[budget.pk])
        change(book)

    _in_book(opened)
    return balances([budget])[0]


TRIES = 5


def _in_book(change: Any) -> Any:
    """Do it in a transaction of its own, or in the caller's. A deadlock or a busy SQLite is tried again."""
    alias = get_settings().database
    outermost = not connections[alias].in_atomic_block
    for attempt in range(TRIES):
        try:
            with transaction.atomic(using=alias):
                book = Book(alias)
                result = change(book)
                book.close()
                return result
        except OperationalError:
            if not outermost or attempt + 1 == TRIES:
                raise
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable")
