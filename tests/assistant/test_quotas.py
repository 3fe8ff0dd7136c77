"""What is left to use, in plain words."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from django.utils.formats import date_format

from retinue.assistant.quotas import quotas, shown
from retinue.budgets.accounts import adjust, balance
from retinue.budgets.models import Budget
from retinue.types import Principal
from tests.assistant.conftest import Browser


@pytest.fixture
def renews(ada):
    """The first day of the next month, as pages write it."""
    (state,) = balance(ada)
    assert state.renews > timezone.localdate()
    return date_format(state.renews, "DATE_FORMAT")


def test_what_is_left(ada, renews):
    adjust(ada, "0.12345", reason="test")
    (quota,) = quotas(Principal.of(ada))
    assert quota.sentence == f"999.8765 of 1000 credits of this month are left. They start anew on {renews}."
    assert (quota.available, quota.spent, quota.is_used_up) == (Decimal("999.87655"), Decimal("0.12345"), False)


def test_what_is_used_up(ada, renews):
    adjust(ada, 1001, reason="test")
    (quota,) = quotas(Principal.of(ada))
    assert quota.sentence == (
        f"The 1000 credits of this month are used up. You can ask again on {renews}, or once you are granted more."
    )
    assert (quota.available, quota.is_used_up) == (Decimal(0), True)


@pytest.mark.parametrize(
    ("period", "limit", "sentence"),
    [
        ("total", 0, "The 0 USD in total are used up. You can ask again once you are granted more."),
        ("total", 5, "5 of 5 USD in total are left."),
    ],
)
def test_without_an_end(ada, settings, period, limit, sentence):
    settings.RETINUE = {"DEFAULT_BUDGETS": [{"owner": "user", "unit": "usd", "period": period, "limit": limit}]}
    (quota,) = quotas(Principal.of(ada))
    assert quota.sentence == sentence


def test_what_is_shared_comes_last(ada, settings):
    group = Group.objects.create(name="editors")
    ada.groups.add(group)
    Budget.objects.create(owner_type="group", owner_key=str(group.pk), unit="requests", period="day", limit_steps=9)
    own, shared = quotas(Principal.of(ada))
    assert own.unit == "credits"
    assert shared.sentence.startswith("9 of 9 requests of today are left.")
    assert shared.sentence.endswith("You share them with others.")


def test_guest_has_one_of_his_own(db, settings):
    settings.RETINUE = {"DEFAULT_BUDGETS": [{"owner": "guest", "unit": "credits", "period": "day", "limit": 20}]}
    (quota,) = Browser(guest="somebody").get("quota", json=True).json()["quotas"]
    assert (quota["limit"], quota["available"], quota["is_used_up"]) == (20.0, 20.0, False)


def test_fragment_and_numbers(browser, ada, renews):
    fragment = browser.get("quota")
    assert f"They start anew on {renews}." in fragment.content.decode()
    (quota,) = browser.get("quota", json=True).json()["quotas"]
    numbers = {"limit": 1000.0, "spent": 0.0, "reserved": 0.0, "available": 1000.0, "percent": 0.0}
    assert {name: quota[name] for name in numbers} == numbers
    assert (quota["unit"], quota["unit_name"]) == ("credits", "credits")


@pytest.mark.parametrize(
    ("amount", "text"), [("1000", "1000"), ("0.5800", "0.58"), ("0.00009", "0"), ("12.34567", "12.3456")]
)
def test_amounts_are_short(amount, text):
    assert shown(Decimal(amount)) == text
