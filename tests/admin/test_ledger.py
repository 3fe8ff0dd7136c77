"""The admin's pages on the ledger: reading it, and taking it away as a file."""

import csv
import io
import re
from datetime import UTC, datetime
from html import unescape
from uuid import uuid4

import pytest
from django.utils import timezone

from retinue.budgets import accounts
from retinue.budgets.book import Book
from retinue.budgets.models import Budget, LedgerEntry
from tests.admin.conftest import log_in
from tests.admin.test_approvals import said
from tests.admin.test_executions import rows, text
from tests.scripted import scripted

LIST = "/admin/retinue/ledgerentry/"
NOW = datetime(2026, 3, 14, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is the 14th of March."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def budget(user):
    made = Budget(owner_type="user", owner_key=str(user.pk), unit="usd", period="month")
    made.limit = 10
    made.save()
    return made


@pytest.fixture
def tokens(db):
    made = Budget(owner_type="everyone", unit="tokens", period="total")
    made.limit = 100
    made.save()
    return made


def held_and_used(budget, execution, held, used):
    """A run that holds, and settles."""
    book = Book("default")
    book.open(budget_ids=[budget.pk])
    portions = book.hold([(budget.pk, held)], reference=execution.pk)
    book.settle(portions, used, reference=execution.pk, step="m1")
    book.close()


def kinds(response):
    return [row[4] for row in rows(response)]


class TestList:
    def test_each_amount_has_its_unit(self, page, budget, tokens, make, chief):
        execution = make("clerk")
        accounts.grant(budget, "2.5", reason="A gift", by=chief)
        held_and_used(tokens, execution, 60, 20)
        assert [row[1:] for row in rows(page("ledgerentry/"))] == [
            [
                *("2", "03/14/2026 12:30 p.m.", "Everyone", "Settlement", "held -60 tokens, used +20 tokens"),
                *("clerk", "-", "0 tokens", "20 tokens", "100 tokens", "total", "–"),
            ],
            [
                *("1", "03/14/2026 12:30 p.m.", "Everyone", "Hold", "held +60 tokens"),
                *("clerk", "-", "60 tokens", "0 tokens", "100 tokens", "total", "–"),
            ],
            [
                *("1", "03/14/2026 12:30 p.m.", "ada", "Grant", "granted +2.5 USD"),
                *("–", "A gift", "0 USD", "0 USD", "12.5 USD", "2026-03", "chief"),
            ],
        ]

    def test_whoever_made_it_is_named_while_he_exists(self, page, budget, user):
        accounts.grant(budget, 1, reason="x", by=user)
        assert rows(page("ledgerentry/"))[0][-1] == "ada"
        user.delete()
        row = rows(page("ledgerentry/"))[0]
        assert (row[3], row[-1]) == ("deleted user", LedgerEntry.objects.get().made_by)

    @pytest.mark.parametrize("number", [1, 20])
    def test_takes_as_many_queries_for_many(self, page, budget, tokens, make, chief, django_assert_num_queries, number):
        for _ in range(number):
            accounts.grant(budget, 1, reason="x", by=chief)
            held_and_used(tokens, make(), 1, 1)
        with django_assert_num_queries(7):  # session, user, count, list, owners, makers, executions
            response = page("ledgerentry/")
        assert len(rows(response)) == min(3 * number, 50)

    def test_long_tables_are_not_counted(self, page, budget, monkeypatch):
        monkeypatch.setattr("retinue.admin.readonly.COUNTED", 1)
        for _ in range(2):
            accounts.charge(budget, 1)
        assert "There are more: only the first 1 are listed." in page("ledgerentry/").content.decode()


class TestFilter:
    @pytest.fixture
    def entries(self, budget, tokens, make, monkeypatch):
        accounts.grant(budget, 1, reason="x")
        monkeypatch.setattr(timezone, "now", lambda: NOW.replace(day=16))
        accounts.charge(tokens, 5)
        execution = make()
        held_and_used(budget, execution, 7, 3)
        return execution

    def test_by_kind_unit_and_date(self, page, entries):
        assert kinds(page("ledgerentry/", kind__exact="grant")) == ["Grant"]
        assert kinds(page("ledgerentry/", period__budget__unit__exact="tokens")) == ["Charge"]
        since = NOW.replace(day=15).isoformat()
        assert kinds(page("ledgerentry/", created_at__gte=since)) == ["Settlement", "Hold", "Charge"]

    def test_by_budget_as_its_page_links(self, page, entries, budget):
        html = page(f"budget/{budget.pk}/change/").content.decode()
        (link,) = re.findall(r'href="/admin/retinue/(ledgerentry/[^"]*)"', html)[-1:]
        assert kinds(page(link)) == ["Settlement", "Hold", "Grant"]

    def test_by_execution_as_its_page_links(self, page, entries):
        html = page(f"agentexecution/{entries.pk}/change/").content.decode()
        (link,) = re.findall(r'href="/admin/retinue/(ledgerentry/\?[^"]*)"', html)
        assert kinds(page(link)) == ["Settlement", "Hold"]

    def test_execution_page_links_for_those_who_may_look(self, staff, grant, entries):
        grant(staff, "retinue.view_agentexecution")
        html = log_in(staff).get(f"/admin/retinue/agentexecution/{entries.pk}/change/").content.decode()
        assert "ledgerentry" not in html

    def test_nonsense_finds_everything_again(self, page, entries):
        response = page.client.get(LIST, {"reference": "x"})
        assert (response.status_code, response["Location"]) == (302, f"{LIST}?e=1")

    def test_search_for_owners_and_executions(self, page, entries):
        assert kinds(page("ledgerentry/", q="ada@example")) == ["Settlement", "Hold", "Grant"]
        assert kinds(page("ledgerentry/", q=str(entries.pk))) == ["Settlement", "Hold"]
        assert kinds(page("ledgerentry/", q=str(uuid4()))) == []


class TestDetail:
    def test_shows_the_entry(self, page, tokens, make):
        execution = make("clerk")
        held_and_used(tokens, execution, 60, 20)
        entry = LedgerEntry.objects.get(kind="settle")
        html = unescape(page(f"ledgerentry/{entry.pk}/change/").content.decode())
        shown = dict(re.findall(r'field-(\w+)">.*?<div class="readonly">(.*?)</div>', html, re.DOTALL))
        assert shown["changes"] == "held -60 tokens, used +20 tokens"
        assert shown["step"] == "m1"
        assert f'href="/admin/retinue/agentexecution/{execution.pk}/change/">clerk</a>' in shown["about"]
        assert 'name="_save"' not in html


@pytest.mark.django_db(transaction=True)
class TestExecution:
    def test_charge_has_the_name_of_the_credits(self, page, user, settings):
        from retinue import AUTHENTICATED, DjangoAgent

        settings.RETINUE = {
            "CREDITS_NAME": "FTNS",
            "PRICES": {"function:function:answer:stream": {"request": "0.25"}},
        }
        agent = DjangoAgent("dear", permission=AUTHENTICATED, model=scripted("done"))
        execution = agent.run_sync("Go", user=user).execution
        html = page(f"agentexecution/{execution.pk}/change/").content.decode()
        shown = dict(re.findall(r'field-(costs|charges)">.*?<div class="readonly">(.*?)</div>', html, re.DOTALL))
        assert shown == {"costs": "0.25", "charges": "25 FTNS"}
        steps = html.partition('id="retinue-steps"')[2].partition("</table>")[0]
        assert text(steps).endswith("0.25 25 FTNS")
        (link,) = re.findall(r'href="/admin/retinue/(ledgerentry/\?[^"]*)"', html)
        assert kinds(page(link))[-1] == "Hold"

    def test_unknown_charge_is_not_nothing(self, page, make):
        html = page(f"agentexecution/{make(tokens_used=5).pk}/change/").content.decode()
        shown = dict(re.findall(r'field-(costs|charges)">.*?<div class="readonly">(.*?)</div>', html, re.DOTALL))
        assert shown == {"costs": "unknown", "charges": "unknown"}


class TestExport:
    def export(self, client, entries):
        return client.post(LIST, {"action": "export_csv", "_selected_action": [entry.pk for entry in entries]})

    def test_file_has_the_units(self, page, budget, tokens, make, chief):
        execution = make("clerk")
        accounts.grant(budget, "2.5", reason='=HYPERLINK("x")', by=chief)
        held_and_used(tokens, execution, 60, 20)
        response = self.export(page.client, LedgerEntry.objects.all())
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="ledger.csv"'
        found = list(csv.DictReader(io.StringIO(response.content.decode())))
        assert found[0] == {
            "number": "1",
            "time": "2026-03-14T12:30:00+00:00",
            "owner_type": "user",
            "owner_key": budget.owner_key,
            "owner": "ada",
            "period": "2026-03",
            "kind": "grant",
            "unit": "USD",
            "held_change": "0",
            "used_change": "0",
            "granted_change": "2.5",
            "held": "0",
            "used": "0",
            "limit": "12.5",
            "reference": "",
            "step": "",
            "reason": '\'=HYPERLINK("x")',
            "made_by": "chief",
        }
        assert [(row["kind"], row["unit"], row["held_change"], row["used"], row["reference"]) for row in found[1:]] == [
            ("hold", "tokens", "60", "0", str(execution.pk)),
            ("settle", "tokens", "-60", "20", str(execution.pk)),
        ]

    def test_file_is_read_in_parts(self, page, budget, monkeypatch, django_assert_num_queries):
        monkeypatch.setattr("retinue.admin.ledger.CHUNK", 2)
        for _ in range(5):
            accounts.charge(budget, 1)
        response = self.export(page.client, LedgerEntry.objects.all())
        assert [line["number"] for line in csv.DictReader(io.StringIO(response.content.decode()))] == list("12345")

    def test_too_many_are_refused(self, page, budget, monkeypatch):
        monkeypatch.setattr("retinue.admin.ledger.EXPORTED", 1)
        for _ in range(2):
            accounts.charge(budget, 1)
        data = {"action": "export_csv", "_selected_action": [entry.pk for entry in LedgerEntry.objects.all()]}
        response = page.client.post(LIST, data, follow=True)
        assert said(response) == [("error", "At most 1 entries are exported at once: filter them.")]


class TestPermission:
    @pytest.mark.parametrize(("permissions", "status"), [([], 403), (["add", "delete"], 403), (["view"], 200)])
    def test_staff(self, staff, grant, budget, permissions, status):
        accounts.charge(budget, 1)
        (entry,) = LedgerEntry.objects.all()
        grant(staff, *(f"retinue.{name}_ledgerentry" for name in permissions))
        client = log_in(staff)
        assert client.get(LIST).status_code == status
        assert client.get(f"{LIST}{entry.pk}/change/").status_code == status
        data = {"action": "export_csv", "_selected_action": [entry.pk]}
        assert client.post(LIST, data).status_code == status

    def test_nobody_adds_changes_or_deletes(self, page, budget):
        accounts.charge(budget, 1)
        (entry,) = LedgerEntry.objects.all()
        assert page.client.get(f"{LIST}add/").status_code == 403
        assert page.client.post(f"{LIST}{entry.pk}/change/", {"reason": "other"}).status_code == 403
        assert page.client.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
        data = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
        page.client.post(LIST, data)
        assert LedgerEntry.objects.get() == entry
