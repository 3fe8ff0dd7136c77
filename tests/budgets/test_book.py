"""The book: counters and entries that change together, and never beyond the limit but by an overage."""

import uuid
from contextlib import suppress
from datetime import datetime

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retinue.budgets.book import Book, Portion, outstanding, release_all
from retinue.budgets.models import Budget, BudgetPeriod, Hold, LedgerEntry
from retinue.errors import BudgetExceeded
from tests.budgets.ledger import budget, check, check_settled, entries

pytestmark = pytest.mark.django_db

RUN, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.fixture(autouse=True)
def references(db):
    """What is held for something that is not there would count as forgotten."""
    Hold.objects.bulk_create([Hold(pk=pk, expires_at=timezone.now()) for pk in (RUN, OTHER)])


def change(function, *budgets, now=None):
    """Do it in a book with these budgets."""
    with transaction.atomic():
        book = Book("default") if now is None else Book("default", now)
        book.open(
            budget_ids=sorted(each.pk for each in budgets),
            period_ids=list(BudgetPeriod.objects.filter(budget__in=budgets).values_list("pk", flat=True)),
        )
        result = function(book)
        book.close()
    return result


def counters(mine):
    period = mine.periods.get()
    return period.reserved_steps, period.spent_steps, period.granted_steps, period.entries


def hold(mine, steps, reference=RUN):
    return change(lambda book: book.hold([(mine.pk, steps)], reference=reference), mine)


def test_hold_and_settlement(user):
    mine = budget(user, "tokens", 100)
    held = hold(mine, 60)
    assert counters(mine) == (60, 0, 0, 1)
    assert change(lambda book: book.settle(held, 25, reference=RUN, step="model"), mine) == []
    assert counters(mine) == (0, 25, 0, 2)
    last = LedgerEntry.objects.get(number=2)
    assert (last.kind, last.reserved_change, last.spent_change, last.step) == ("settle", -60, 25, "model")
    assert (last.reserved_steps, last.spent_steps, last.limit_steps) == (0, 25, 100)
    check_settled()


def test_hold_is_all_or_nothing(user):
    fits, refuses = budget(user, "tokens", 100), budget(user, "requests", 0)
    with pytest.raises(BudgetExceeded, match=r"up to 1 requests more are needed, and 0 requests are left"):
        change(lambda book: book.hold([(fits.pk, 10), (refuses.pk, 1)], reference=RUN), fits, refuses)
    assert entries(fits, refuses) == []


def test_hold_of_all_that_is_left(user):
    mine = budget(user, "tokens", 100)
    hold(mine, 100)
    with pytest.raises(BudgetExceeded) as caught:
        hold(mine, 1)
    assert (caught.value.needed, caught.value.available, caught.value.unit) == (1, 0, "tokens")
    check()


@pytest.mark.parametrize(
    ("used", "keep", "kept"),
    [(20, 0, 0), (20, 30, 30), (20, 70, 70), (20, 500, 80), (60, 500, 40), (70, 500, 30), (101, 500, 0)],
)
def test_settlement_keeps_as_much_as_there_is_room_for(user, used, keep, kept):
    mine = budget(user, "tokens", 100)
    held = hold(mine, 60)
    portions = change(lambda book: book.settle(held, used, keep=keep, reference=RUN), mine)
    assert sum(portion.steps for portion in portions) == kept
    assert counters(mine)[:2] == (kept, used)
    check()


def test_settlement_beyond_the_hold_is_an_overage(user):
    mine = budget(user, "tokens", 100)
    held = hold(mine, 60)
    assert change(lambda book: book.settle(held, 130, keep=50, reference=RUN), mine) == []
    assert entries(mine) == ["hold", "settle", "overage"]
    assert counters(mine)[:2] == (0, 130)
    check_settled()


def test_nothing_is_kept_in_a_period_that_is_over(user):
    mine = budget(user, "tokens", 100, "month")
    october, november = (datetime.fromisoformat(f"2026-{m}-15T12:00:00Z") for m in (10, 11))
    held = change(lambda book: book.hold([(mine.pk, 60)], reference=RUN), mine, now=october)
    assert change(lambda book: book.settle(held, 20, keep=30, reference=RUN), mine, now=november) == []
    assert list(mine.periods.order_by("key").values_list("key", "spent_steps", "reserved_steps")) == [
        ("2026-10", 20, 0),
        ("2026-11", 0, 0),
    ]
    check_settled()


def test_release_of_what_the_ledger_says_is_held(user):
    first, second = budget(user, "tokens", 100), budget("everyone", "requests", 10)
    hold(first, 60)
    hold(first, 10)
    hold(second, 1)
    hold(first, 5, OTHER)
    found = outstanding("default", [RUN])[RUN]
    assert sorted((p.budget_id, p.steps) for p in found) == sorted([(first.pk, 70), (second.pk, 1)])
    release_all("default", [RUN], "the run was ended")
    assert (counters(first)[0], counters(second)[0]) == (5, 0)
    release_all("default", [RUN], "once more")
    assert LedgerEntry.objects.filter(reason="once more").count() == 0
    release_all("default", [OTHER], "")
    check_settled()


def test_late_settlement(user):
    mine = budget(user, "tokens", 100)
    change(lambda book: book.settle_late(mine.pk, 40, reference=RUN), mine)
    change(lambda book: book.settle_late(mine.pk, 70, reference=RUN), mine)
    assert entries(mine) == ["settle", "overage"]
    check_settled()


def test_book_that_is_not_closed_changes_nothing(user):
    mine = budget(user, "tokens", 100)
    with transaction.atomic():
        book = Book("default")
        book.open(budget_ids=[mine.pk])
        book.hold([(mine.pk, 10)], reference=RUN)
    assert counters(mine) == (0, 0, 0, 0)
    assert entries(mine) == []


def test_budget_that_is_gone_is_passed_over(db):
    with transaction.atomic():
        book = Book("default")
        book.open(budget_ids=[4711])
        assert book.hold([(4711, 1)], reference=RUN) == []
        book.settle_late(4711, 1, reference=RUN)
        book.close()
    assert not LedgerEntry.objects.exists()


# --- any sequence

AMOUNTS = st.integers(0, 60)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), AMOUNTS, AMOUNTS),
        st.tuples(st.just("settle"), st.integers(0, 90), AMOUNTS),
        st.tuples(st.just("late"), AMOUNTS, st.just(0)),
        st.tuples(st.just("release"), st.just(0), st.just(0)),
        st.tuples(st.just("grant"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("charge"), AMOUNTS, st.just(0)),
        st.tuples(st.just("adjust"), st.integers(-40, 40), st.just(0)),
        st.tuples(st.just("limit"), st.integers(0, 150), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_any_sequence_adds_up_and_exceeds_the_limit_by_overages_only(user, changes):
    with transaction.atomic():
        budgets = [budget(user, "tokens", 100), budget(user, "requests", 80, "day")]
        held: list[list[Portion]] = []
        for kind, amount, more in changes:
            with suppress(BudgetExceeded):
                apply(budgets, held, kind, amount, more)
        check()
        release_all("default", [RUN], "the end")
        check_settled()
        transaction.set_rollback(True)


def apply(budgets, held, kind, amount, more):
    """One change; `held` is what it may settle: a list for each hold, of the portions in one budget."""
    first, second = budgets
    match kind:
        case "hold":
            wanted = [(first.pk, amount), (second.pk, more)]
            portions = change(lambda book: book.hold(wanted, reference=RUN), *budgets)
            held.extend([portion] for portion in portions)
        case "settle" if held:
            mine = held.pop(0)
            if kept := change(lambda book: book.settle(mine, amount, keep=more, reference=RUN), *budgets):
                held.append(kept)
        case "late":
            change(lambda book: book.settle_late(second.pk, amount, reference=RUN), *budgets)
        case "release":
            release_all("default", [RUN], "enough")
            held.clear()
        case "grant" | "adjust":
            change(lambda book: getattr(book, kind)(first.pk, amount, reason="so"), *budgets)
        case "charge":
            change(lambda book: book.charge(second.pk, amount, reason="so"), *budgets)
        case "limit":
            Budget.objects.filter(pk=first.pk).update(limit_steps=amount)
