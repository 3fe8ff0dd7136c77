"""`manage.py check_ledger`."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from retinue.budgets import accounts
from retinue.budgets.book import Book
from retinue.budgets.models import Budget, BudgetPeriod, Hold, LedgerEntry
from retinue.executions.models import AgentExecution
from retinue.types import time_ordered_uuid

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget(db):
    made = Budget(owner_type="everyone", unit="usd", period="total")
    made.limit = 10
    made.save()
    return made


@pytest.fixture
def held(budget):
    """Holds 2 USD for a run."""
    execution = AgentExecution(agent_name="clerk", principal_type="system", status="running")
    execution.root = execution
    execution.save()
    book = Book("default")
    book.open(budget_ids=[budget.pk])
    book.hold([(budget.pk, 2 * 10**9)], reference=execution.pk)
    book.close()
    return execution


def tamper(table, values):
    """Change what nothing in the project changes."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table._meta.db_table} SET {values}")  # noqa: S608 (our own)


def drop(number):
    """Take an entry out of the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {LedgerEntry._meta.db_table} WHERE number = %s", [number])  # noqa: S608 (our own)


def refused(command):
    done = command("check_ledger")
    assert done.code == 1
    return done.out.splitlines(), done.error


class TestAgrees:
    def test_nothing_at_all(self, command):
        done = command("check_ledger")
        assert (done.out, done.error, done.code) == ("0 periods, 0 entries: sums agree\n", "", 0)

    def test_everything_that_can_be_done(self, command, budget, held):
        accounts.grant(budget, 5, reason="x")
        accounts.charge(budget, 3)
        accounts.adjust(budget, -1, reason="x")
        accounts.adjust(budget, 20, reason="more than is left")
        Budget.objects.update(limit_steps=1)
        accounts.adjust(budget, 1, reason="beyond the limit altogether")
        tokens = Budget.objects.create(owner_type="everyone", unit="tokens", period="day", limit_steps=100)
        with accounts.hold(tokens, 50) as hold:
            hold.settle(120)
        assert command("check_ledger").out == "2 periods, 10 entries: sums agree\n"
        assert list(LedgerEntry.objects.filter(kind="overage").values_list("number", "spent_change")) == [
            (3, 70),
            (7, 10**9),
            (6, 9 * 10**9),
        ]

    def test_json(self, command, budget):
        accounts.charge(budget, 3)
        done = command("check_ledger", json=True)
        assert (json.loads(done.out), done.code) == (
            {"periods": 1, "entries": 1, "differences": [], "all_named": True},
            0,
        )


class TestDiffers:
    """Everything that can be wrong is named, with what is expected and what is found."""

    def test_counter_of_a_period(self, command, budget):
        accounts.charge(budget, 3)
        tamper(BudgetPeriod, "spent_steps = 4000000000, granted_steps = 500000000")
        assert refused(command) == (
            [
                "Everyone: 10 USD in total (total): used: expected 3 USD, found 4 USD.",
                "Everyone: 10 USD in total (total): granted: expected 0 USD, found 0.5 USD.",
            ],
            "The ledger does not add up. Differences: 2.",
        )

    def test_counter_of_a_period_without_entries(self, command, budget):
        BudgetPeriod.objects.create(budget=budget, key="total", spent_steps=5)
        assert refused(command)[0] == [
            "Everyone: 10 USD in total (total): used: expected 0 USD, found 0.000000005 USD."
        ]

    def test_missing_entry(self, command, budget):
        for _ in range(3):
            accounts.charge(budget, 1)
        drop(2)
        assert refused(command)[0] == [
            "Everyone: 10 USD in total (total): entry 3, number: expected 2, found 3.",
            "Everyone: 10 USD in total (total): entry 3, used after it: expected 2 USD, found 3 USD.",
            "Everyone: 10 USD in total (total): used: expected 2 USD, found 3 USD.",
            "Everyone: 10 USD in total (total): entries: expected 2, found 3.",
        ]

    def test_missing_last_entry(self, command, budget):
        for _ in range(2):
            accounts.charge(budget, 1)
        drop(2)
        assert refused(command)[0] == [
            "Everyone: 10 USD in total (total): used: expected 1 USD, found 2 USD.",
            "Everyone: 10 USD in total (total): entries: expected 1, found 2.",
        ]

    def test_sum_in_an_entry(self, command, budget, held):
        tamper(LedgerEntry, "reserved_steps = 1000000000")
        assert refused(command)[0] == [
            "Everyone: 10 USD in total (total): entry 1, held after it: expected 2 USD, found 1 USD."
        ]

    def test_limit_that_was_passed_in_silence(self, command, budget, held):
        accounts.charge(budget, 8)
        tamper(LedgerEntry, "limit_steps = 9000000000")
        assert refused(command)[0] == [
            "Everyone: 10 USD in total (total): entry 2, held and used: expected at most 9 USD, found 10 USD."
        ]

    @pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
    def test_held_for_a_run_that_ended(self, command, budget, held, status):
        assert command("check_ledger").code == 0
        AgentExecution.objects.update(status=status)
        assert refused(command)[0] == [
            f"Everyone: 10 USD in total (total): held for {held.pk}: expected 0 USD, found 2 USD."
        ]

    def test_held_for_a_hold_that_was_closed(self, command, budget):
        with accounts.hold(budget, 1):
            assert command("check_ledger").code == 0
            (hold,) = Hold.objects.all()
            Hold.objects.update(closed_at=timezone.now())
            assert refused(command)[0] == [
                f"Everyone: 10 USD in total (total): held for {hold.pk}: expected 0 USD, found 1 USD."
            ]

    def test_held_for_what_is_not_there(self, command, budget, held):
        other = time_ordered_uuid()
        tamper(LedgerEntry, f"reference = '{other if connection.vendor == 'postgresql' else other.hex}'")
        assert refused(command)[0] == [
            f"Everyone: 10 USD in total (total): held for {other}: expected 0 USD, found 2 USD."
        ]
        tamper(LedgerEntry, "reference = NULL")
        assert refused(command)[0] == [
            "Everyone: 10 USD in total (total): held for nobody: expected 0 USD, found 2 USD."
        ]

    def test_json_names_them(self, command, budget):
        accounts.charge(budget, 3)
        tamper(BudgetPeriod, "spent_steps = 4000000000")
        done = command("check_ledger", json=True)
        assert done.code == 1
        assert json.loads(done.out)["differences"] == [
            {
                "budget": budget.pk,
                "budget_name": "Everyone: 10 USD in total",
                "period": "total",
                "what": "used",
                "expected": "3 USD",
                "found": "4 USD",
            }
        ]

    def test_only_so_many_are_named(self, command, budget, monkeypatch):
        monkeypatch.setattr("retinue.management.commands.check_ledger.NAMED", 2)
        for _ in range(4):
            accounts.charge(budget, 1)
        tamper(LedgerEntry, "limit_steps = 0")
        lines, error = refused(command)
        assert (len(lines), error) == (2, "The ledger does not add up. Differences: More than 2.")


@pytest.mark.django_db(transaction=True)
class TestWhileOthersWork:
    def test_all_queries_see_one_moment(self, command, budget, monkeypatch):
        """A charge between two queries makes no difference, and need not wait."""
        from retinue.budgets import audit

        accounts.charge(budget, 1)
        counted = audit.counts
        done = []

        def count_and_charge(alias):
            found = counted(alias)
            done.append(in_another_connection(lambda: accounts.charge(budget, 1)))
            return found

        monkeypatch.setattr(audit, "counts", count_and_charge)
        assert command("check_ledger").out == "1 periods, 1 entries: sums agree\n"
        assert (done, budget.spent) == ([None], 2)

    def test_sums_are_done_by_the_database(self, budget):
        for _ in range(30):
            accounts.charge(budget, "0.1")
        from retinue.budgets.audit import differences

        with CaptureQueriesContext(connection) as queries:
            assert list(differences("default")) == []
        assert len(queries) == 5


def in_another_connection(do):
    def work():
        try:
            return do()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(timeout=10)


class TestCannot:
    def test_tables_that_are_missing(self, command, monkeypatch):
        monkeypatch.setattr("retinue.management.database.has_tables", lambda: False)
        done = command("check_ledger")
        assert (done.error, done.code) == ("Retinue's tables are missing: run `manage.py migrate` first.", 1)
