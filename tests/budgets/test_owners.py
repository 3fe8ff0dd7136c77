"""What becomes of budgets when something happens to those whom they are for."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model

from retinue import AUTHENTICATED, DjangoAgent
from retinue.budgets import accounts
from retinue.budgets.audit import differences
from retinue.budgets.models import Budget, LedgerEntry
from retinue.executions.models import AgentExecution
from retinue.types import Principal
from tests.scripted import scripted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def used(user):
    """Ada's budget, of which 3 were used by a run, and 2 by hand."""
    budget = Budget.objects.create(owner_type="user", owner_key=str(user.pk), unit="requests", limit_steps=10)
    agent = DjangoAgent("clerk", permission=AUTHENTICATED, model=scripted("done"))
    for _ in range(3):
        agent.run_sync("Hello", user=user)
    accounts.adjust(budget, 2, reason="by telephone", by=user)
    return budget


def entries():
    return list(LedgerEntry.objects.order_by("pk").values_list("kind", "spent_change", "spent_steps", "reference"))


class TestDeletedUser:
    def test_entries_stay_and_name_nobody(self, user, used):
        before, key = entries(), str(user.pk)
        user.delete()
        assert entries() == before
        used.refresh_from_db()
        assert (used.owner_type, used.owner_key, used.is_active) == ("user", f"deleted:{used.pk}", False)
        assert used.spent == 5
        assert not Budget.objects.filter(owner_key=key).exists()
        assert list(differences("default")) == []

    def test_runs_stay_without_him(self, user, used):
        user.delete()
        assert list(AgentExecution.objects.values_list("user", "status")) == [(None, "completed")] * 3

    def test_budgets_of_one_unit_and_period_do_not_collide(self, used):
        for name in ("eve", "bob"):
            person = get_user_model().objects.create_user(name)
            accounts.charge(
                Budget.objects.create(owner_type="user", owner_key=str(person.pk), unit="requests", limit_steps=10), 1
            )
            person.delete()
        assert Budget.objects.filter(owner_key__startswith="deleted:").count() == 2

    def test_next_user_of_the_same_key_has_nothing_of_it(self, user, used):
        key = user.pk
        user.delete()
        again = get_user_model().objects.create_user("eve", pk=key)
        assert accounts.balance(again, "requests") == []
        (credits,) = accounts.balance(again)  # the site's default
        assert (credits.unit, credits.spent) == ("credits", Decimal(0))

    def test_many_at_once(self, user, used):
        get_user_model().objects.all().delete()
        assert not Budget.objects.filter(owner_type="user").exclude(owner_key__startswith="deleted:").exists()

    def test_one_who_never_used_anything(self, user):
        user.delete()
        assert not Budget.objects.exists()

    def test_user_deleted_in_a_transaction_that_is_undone(self, user, used):
        from django.db import transaction

        with transaction.atomic():
            user.delete()
            transaction.set_rollback(True)
        used.refresh_from_db()
        assert (used.is_active, used.spent) == (True, 5)


def test_entries_of_a_principal_are_found(user, used):
    accounts.charge(Budget.objects.create(owner_type="everyone", unit="usd", limit_steps=10**9), 1)
    assert LedgerEntry.objects.for_principal(Principal.of(user)).count() == len(entries()) - 1
