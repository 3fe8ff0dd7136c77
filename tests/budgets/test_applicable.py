"""Which budgets apply to whom, and the ones that the site gives everybody."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from retinue.budgets.applicable import applicable
from retinue.budgets.models import Budget
from retinue.types import SYSTEM, Principal
from tests.budgets.ledger import budget

pytestmark = pytest.mark.django_db

CREDITS = {"owner": "user", "unit": "credits", "period": "month", "limit": 1000}


@pytest.fixture(autouse=True)
def no_defaults(settings):
    settings.RETINUE = {"DEFAULT_BUDGETS": []}


def applying(*principals):
    """The ids of the budgets of each, in order."""
    found = applicable("default", principals)
    return [sorted(each.budget_id for each in found[principal]) for principal in principals]


def test_budgets_of_users_groups_guests_and_everyone(user):
    other = get_user_model().objects.create_user("bob")
    group, both = Group.objects.create(name="Buyers"), Group.objects.create(name="Both")
    user.groups.add(group, both)
    other.groups.add(both)
    guest = Principal.guest(str(user.pk))  # a guest of the same key is somebody else
    mine, his, theirs = budget(user, "usd", 1), budget(group, "usd", 1), budget(both, "usd", 1)
    all_, guests = budget("everyone", "usd", 1), budget(guest, "usd", 1)
    off = budget(user, "tokens", 1)
    Budget.objects.filter(pk=off.pk).update(is_active=False)
    assert applying(Principal.of(user), Principal.of(other), guest, SYSTEM, Principal.guest("x")) == [
        sorted([mine.pk, his.pk, theirs.pk, all_.pk]),
        sorted([theirs.pk, all_.pk]),
        sorted([guests.pk, all_.pk]),
        [all_.pk],
        [all_.pk],
    ]


def test_default_budgets_are_made_once(user, settings):
    settings.RETINUE = {"DEFAULT_BUDGETS": [CREDITS, {"owner": "guest", "unit": "requests", "limit": 5}]}
    guest = Principal.guest("session")
    for _ in range(2):
        applicable("default", [Principal.of(user), guest, SYSTEM])
    values = Budget.objects.order_by("owner_type").values_list(
        "owner_type", "owner_key", "unit", "period", "limit_steps"
    )
    assert list(values) == [
        ("guest", "session", "requests", "month", 5),
        ("user", str(user.pk), "credits", "month", 1000 * 10**9),
    ]


def test_own_budget_takes_the_default_ones_place(user, settings, django_assert_num_queries):
    settings.RETINUE = {"DEFAULT_BUDGETS": [CREDITS]}
    mine = budget(user, "credits", 5, "month")
    with django_assert_num_queries(1):
        assert applying(Principal.of(user)) == [[mine.pk]]


def test_inactive_default_budget_is_not_made_anew(user, settings):
    settings.RETINUE = {"DEFAULT_BUDGETS": [CREDITS]}
    applicable("default", [Principal.of(user)])
    Budget.objects.update(is_active=False)
    assert applying(Principal.of(user)) == [[]]
    assert Budget.objects.count() == 1


def test_one_query_for_many(user, django_assert_num_queries):
    users = [get_user_model().objects.create_user(f"user-{number}") for number in range(20)]
    for each in users:
        budget(each, "usd", 1)
    with django_assert_num_queries(1):
        applicable("default", [Principal.of(each) for each in users])
