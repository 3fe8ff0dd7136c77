"""What a site's own code does with budgets, bad input included."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import IntegrityError, transaction
from django.utils import timezone

from retinue.budgets.accounts import adjust, balance, charge, check, grant, hold, release_expired
from retinue.budgets.models import Budget, Hold, LedgerEntry
from retinue.errors import BudgetExceeded, InvalidInput
from retinue.types import Principal
from tests.budgets.ledger import budget, check_settled, entries, spent

pytestmark = pytest.mark.django_db

NO_AMOUNTS = ["NaN", "Infinity", "1e30", "much", None]


@pytest.fixture(autouse=True)
def no_defaults(settings):
    settings.RETINUE = {"DEFAULT_BUDGETS": []}


# --- looking


def test_balances_of_all_budgets_that_apply(user):
    group = Group.objects.create(name="Buyers")
    user.groups.add(group)
    budgets = [budget(user, "usd", 5), budget(group, "tokens", 100), budget("everyone", "requests", 9)]
    budget(Group.objects.create(name="Sellers"), "tokens", 1)
    charge(user, "1.25", unit="usd")
    states = balance(user)
    assert [(s.budget, s.limit, s.spent, s.reserved, s.available, s.percent) for s in states] == [
        (budgets[0], 5, Decimal("1.25"), 0, Decimal("3.75"), 25.0),
        (budgets[1], 100, 0, 0, 100, 0.0),
        (budgets[2], 9, 0, 0, 9, 0.0),
    ]
    assert [s.budget for s in balance(user, "tokens")] == [budgets[1]]


def test_balance_says_when_it_renews(user, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat("2026-12-31T12:00:00Z"))
    for period in ("total", "month", "day"):
        budget(user, "usd", 5, period)
    assert [str(s.renews) for s in balance(user)] == ["None", "2027-01-01", "2027-01-01"]


def test_nobody_has_no_budget():
    with pytest.raises(InvalidInput, match="anonymous"):
        balance(AnonymousUser())


def test_check_says_what_is_used_up(user, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat("2026-11-21T12:00:00Z"))
    budget(user, "usd", 5, "month")
    check(Principal.of(user))
    charge(user, 5, unit="usd")
    with pytest.raises(BudgetExceeded, match=r"^The budget of 5 USD is used up until 2026-12-01\.$"):
        check(Principal.of(user))


@pytest.mark.parametrize("owner", ["group", "everyone"])
def test_of_what_others_use_too_it_is_not_said_how_it_stands(user, monkeypatch, owner):
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat("2026-11-21T12:00:00Z"))
    group = Group.objects.create(name="clerks")
    user.groups.add(group)
    shared = budget(group if owner == "group" else "everyone", "usd", 5, "month")
    with pytest.raises(BudgetExceeded) as caught:
        shared.charge(6)
    assert str(caught.value) == "A budget that is shared with others does not reach for this."
    assert (caught.value.needed, caught.value.available) == (6, 5)
    shared.charge(5)
    with pytest.raises(BudgetExceeded) as caught:
        check(Principal.of(user))
    assert str(caught.value) == "A budget that is shared with others is used up until 2026-12-01."


# --- grants and adjustments


def test_grant_counts_in_its_period_only(user, monkeypatch):
    mine = budget(user, "credits", 10, "month")
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat("2026-11-30T12:00:00Z"))
    state = grant(user, 5, reason="Sold", by=user)
    assert (state.limit, state.available) == (15, 15)
    entry = LedgerEntry.objects.get()
    assert (entry.kind, entry.granted_change, entry.reason, entry.made_by) == ("grant", 5 * 10**9, "Sold", str(user.pk))
    charge(user, 15)
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat("2026-12-01T12:00:00Z"))
    assert mine.available == 10
    check_settled()


def test_grant_to_somebody_without_a_budget_makes_one(user):
    state = grant(user, 7, reason="Sold")
    assert (state.budget.period, state.budget.limit, state.available) == ("total", 0, 7)
    check_settled()


def test_adjustment_up_and_down(user):
    mine = budget(user, "usd", 5)
    assert adjust(user, 2, unit="usd", reason="Forgotten").spent == 2
    assert adjust(user, "-1.5", unit="usd", reason="Refund").spent == Decimal("0.5")
    with pytest.raises(InvalidInput, match=r"Only 0\.5 USD are used"):
        adjust(user, -1, unit="usd", reason="Refund")
    assert entries(mine) == ["adjust", "adjust"]
    check_settled()


def test_adjustment_beyond_the_limit_is_an_overage(user):
    mine = budget(user, "usd", 5)
    assert adjust(mine, 7, reason="Forgotten").available == -2
    assert entries(mine) == ["adjust", "overage"]
    check_settled()


@pytest.mark.parametrize("amount", [*NO_AMOUNTS, 0, -1])
def test_grants_that_make_no_sense(user, amount):
    mine = budget(user, "credits", 10)
    with pytest.raises(InvalidInput):
        grant(user, amount, reason="Sold")
    assert entries(mine) == []


@pytest.mark.parametrize("reason", ["", "  "])
def test_reason_is_needed(user, reason):
    mine = budget(user, "credits", 10)
    for change in (grant, adjust):
        with pytest.raises(InvalidInput, match="Say the reason"):
            change(user, 1, reason=reason)
    assert entries(mine) == []


def test_grants_that_cannot_be_counted(user):
    mine = budget(user, "credits", 10)
    for _ in range(2):
        with pytest.raises(InvalidInput, match="more than can be counted"):
            grant(user, Decimal(2**62) / 10**9, reason="All of it")
    with pytest.raises(InvalidInput, match="more than can be counted"):
        grant(user, "1e30", reason="All of it")
    assert entries(mine) == []


@pytest.mark.parametrize("change", [grant, adjust])
def test_unknown_units_and_periods(user, change):
    with pytest.raises(InvalidInput, match="There is no unit 'euro': usd, credits, tokens, requests"):
        change(user, 1, unit="euro", reason="x")
    with pytest.raises(InvalidInput, match="There is no period 'week': total, month, day"):
        change(user, 1, period="week", reason="x")


def test_it_must_be_clear_which_budget(user):
    with pytest.raises(InvalidInput, match=r"has no budget of credits\.$"):
        adjust(user, 1, reason="x")
    budget(user, "credits", 10, "day")
    budget(user, "credits", 10, "month")
    with pytest.raises(InvalidInput, match="say which period"):
        grant(user, 1, reason="x")
    assert grant(user, 1, period="day", reason="x").budget.period == "day"


# --- using and holding


@pytest.mark.parametrize("amount", [*NO_AMOUNTS, -1, "-0.000000001"])
def test_charges_and_holds_that_make_no_sense(user, amount):
    mine = budget(user, "credits", 10)
    with pytest.raises(InvalidInput):
        charge(user, amount)
    with pytest.raises(InvalidInput):
        mine.charge(amount)
    with pytest.raises(InvalidInput), hold(user, amount):
        pass
    assert entries(mine) == []


def test_fractions_of_tokens(user):
    mine = budget(user, "tokens", 10)
    with pytest.raises(InvalidInput, match="whole numbers"):
        charge(user, "0.5", unit="tokens")
    with pytest.raises(InvalidInput, match="There is no unit 'euro'"), hold(user, 1, unit="euro"):
        pass
    assert entries(mine) == []


def test_charge_fits_all_or_none(user):
    budgets = [budget(user, "credits", 10), budget("everyone", "credits", 5)]
    charge(user, 5, reason="picture")
    with pytest.raises(BudgetExceeded):
        charge(user, 1)
    assert spent(*budgets) == [5, 5]
    assert budgets[0].has(5) and not budgets[0].has("5.000000001")
    check_settled()


def test_hold_that_is_settled(user):
    budgets = [budget(user, "usd", 10), budget("everyone", "usd", 5)]
    with hold(user, "0.10", unit="usd", reason="picture") as held:
        assert [b.available for b in budgets] == [Decimal("9.9"), Decimal("4.9")]
        held.settle("0.04")
        with pytest.raises(InvalidInput, match="settled before"):
            held.settle("0.04")
        with pytest.raises(InvalidInput, match="settled before"):
            held.release()
    assert spent(*budgets) == [Decimal("0.04")] * 2
    check_settled()


def test_hold_that_is_not_settled_is_given_back(user):
    mine = budget(user, "usd", 10)
    with pytest.raises(ZeroDivisionError), hold(user, 1, unit="usd"):
        raise ZeroDivisionError
    with hold(user, 1, unit="usd") as held:
        held.release()
    assert entries(mine) == ["hold", "release"] * 2
    assert not Hold.objects.filter(closed_at=None).exists()
    check_settled()


def test_hold_that_cost_more_is_an_overage(user):
    mine = budget(user, "usd", 1)
    with hold(user, 1, unit="usd") as held:
        with pytest.raises(InvalidInput, match="Less than nothing"):
            held.settle(-1)
        held.settle("1.5")
    assert entries(mine) == ["hold", "settle", "overage"]
    check_settled()


def test_hold_on_one_budget_is_in_its_unit(user):
    mine = budget(user, "tokens", 10)
    with hold(mine, 4) as held:
        assert mine.available == 6
        held.settle(3)
    assert spent(mine) == [3]
    check_settled()


def test_hold_after_its_time(user):
    mine = budget(user, "usd", 10)
    with hold(user, 1, unit="usd", seconds=-1) as held:
        assert release_expired("default") == 1
        assert release_expired("default") == 0
        with pytest.raises(InvalidInput, match="its time was over"):
            held.settle(1)
    assert entries(mine) == ["hold", "release"]
    check_settled()


def test_hold_in_its_time_is_not_released(user):
    mine = budget(user, "usd", 10)
    with hold(user, 1, unit="usd", seconds=60):
        assert release_expired("default") == 0
        assert mine.current().reserved == 1
        Hold.objects.update(expires_at=timezone.now() + timedelta(seconds=60))
    check_settled()


def test_hold_in_a_transaction_that_is_undone(user):
    mine = budget(user, "usd", 10)
    with pytest.raises(ZeroDivisionError), transaction.atomic(), hold(user, 1, unit="usd") as held:
        held.settle(1)
        raise ZeroDivisionError
    assert entries(mine) == []
    check_settled()


# --- what the models refuse


def test_ledger_is_only_added_to(user):
    charge(budget(user, "usd", 1), 1)
    entry = LedgerEntry.objects.get()
    for change in (
        entry.save,
        entry.delete,
        lambda: LedgerEntry.objects.update(reason="x"),
        LedgerEntry.objects.all().delete,
        lambda: LedgerEntry.objects.filter(pk=entry.pk).bulk_update([entry], ["reason"]),
    ):
        with pytest.raises(TypeError, match="only ever added to"):
            change()


def test_one_budget_for_each_owner_unit_and_period(user):
    budget(user, "usd", 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        budget(user, "usd", 2)
    with pytest.raises(IntegrityError), transaction.atomic():
        budget(user, "tokens", -1)
    with pytest.raises(InvalidInput):
        Budget(unit="usd").limit = "NaN"
