"""What is left to use, in plain words."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
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
    assert quota.sentence == f"999.87 of 1000 credits of this month are left. They start anew on {renews}."
    assert (quota.amounts.available, quota.amounts.spent, quota.is_used_up) == (
        Decimal("999.87655"),
        Decimal("0.12345"),
        False,
    )


def test_what_is_used_up(ada, renews):
    adjust(ada, 1001, reason="test")
    (quota,) = quotas(Principal.of(ada))
    assert quota.sentence == (
        f"The 1000 credits of this month are used up. You can ask again on {renews}, or once you are granted more."
    )
    assert (quota.amounts.available, quota.is_used_up) == (Decimal(0), True)


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


@pytest.fixture
def share(ada):
    """Gives ada a part in a budget, of everyone or of a group."""

    def make(owner_type, limit):
        ada.groups.add(group := Group.objects.create(name=f"{owner_type} of {limit}"))
        key = str(group.pk) if owner_type == "group" else ""
        Budget.objects.create(owner_type=owner_type, owner_key=key, unit="requests", period="day", limit_steps=limit)

    return make


@pytest.mark.parametrize("owner_type", ["group", "everyone"])
def test_what_is_shared_is_nobody_elses_business(ada, share, browser, owner_type):
    share(owner_type, 9)
    assert [quota.unit for quota in quotas(Principal.of(ada), ada)] == ["credits"]
    assert "requests" not in browser.get("quota").content.decode()


@pytest.mark.parametrize(
    ("owner_type", "sentence"),
    [("group", "The budget of your group is used up."), ("everyone", "The site's budget is used up.")],
)
def test_what_is_shared_and_used_up(ada, share, browser, owner_type, sentence):
    share(owner_type, 0)
    _, shared = quotas(Principal.of(ada), ada)
    assert shared.sentence == f"{sentence} You can ask again on {date_format(shared.renews, 'DATE_FORMAT')}."
    assert (shared.is_used_up, shared.amounts) == (True, None)
    _, numbers = browser.get("quota", json=True).json()["quotas"]
    assert set(numbers) == {"unit", "unit_name", "renews", "is_used_up", "sentence"}
    assert "used up" in browser.get("dashboard").content.decode()


def test_what_is_shared_comes_last_for_who_may_view_budgets(ada, share, grant):
    share("group", 9)
    grant(ada, "retinue.view_budget")
    own, shared = quotas(Principal.of(ada), get_user_model().objects.get(pk=ada.pk))
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
    ("amount", "text"), [("1000", "1000"), ("0.5800", "0.58"), ("0.00009", "0"), ("12.34567", "12.34")]
)
def test_amounts_are_short(amount, text):
    assert shown(Decimal(amount)) == text
