"""The admin's pages on budgets: looking, making, limiting, giving and correcting."""

import re
from datetime import datetime
from decimal import Decimal
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from retinue.budgets import accounts
from retinue.budgets.models import Budget, LedgerEntry
from retinue.types import Principal
from tests.admin.conftest import log_in
from tests.admin.test_approvals import said
from tests.admin.test_executions import rows

LIST = "/admin/retinue/budget/"
NOW = datetime(2026, 3, 14, 12, tzinfo=ZoneInfo("UTC"))


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is the 14th of March."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def budget(db):
    """Makes a budget."""

    def make(owner_type="everyone", owner_key="", unit="usd", period="month", limit=10, **values):
        made = Budget(owner_type=owner_type, owner_key=owner_key, unit=unit, period=period, **values)
        made.limit = limit
        made.save()
        return made

    return make


def change(budget):
    return f"{LIST}{budget.pk}/change/"


def owners(response):
    return [row[1] for row in rows(response)]


def typed(budget=None, **values):
    """What a form sends."""
    data = {"owner_type": "everyone", "owner_key": "", "unit": "usd", "period": "month", "limit": "10"}
    return {**data, "is_active": "on", **values}


def errors(response):
    return {name: list(found) for name, found in response.context["adminform"].form.errors.items()}


class TestList:
    def test_shows_how_each_stands(self, page, budget, user):
        mine = budget("user", str(user.pk), unit="credits", limit=1000)
        budget("group", str(Group.objects.create(name="Writers").pk), unit="tokens", period="day", limit=500)
        budget("guest", "visitor-1", period="total", limit=0)
        accounts.charge(mine, "12.6")
        with accounts.hold(mine, "100"):
            assert [row[1:] for row in rows(page("budget/"))] == [
                ["Group Writers", "0.0 %", "0", "0", "500 tokens a day", "03/15/2026", ""],
                ["Guest visitor-1", "0.0 %", "0", "0", "0 USD in total", "–", ""],
                ["ada", "1.3 %", "12.6", "100", "1000 credits a month", "04/01/2026", ""],
            ]

    def test_bar_shows_what_is_used_and_held(self, page, budget):
        row = budget(limit=10)
        accounts.charge(row, 5, unit="usd")
        with accounts.hold(row, "2.5", unit="usd"):
            html = page("budget/").content.decode()
        assert 'class="retinue-bar-part" x="0" y="0" width="50.00"' in html
        assert 'class="retinue-bar-held" x="50.00" y="0" width="25.00"' in html

    def test_bar_ends_where_the_limit_is_passed(self, page, budget):
        row = budget(limit=10)
        accounts.charge(row, 10)
        Budget.objects.update(limit_steps=4 * 10**9)
        html = page("budget/").content.decode()
        assert "250.0 %" in html
        assert 'class="retinue-bar-part" x="0" y="0" width="100.00"' in html
        assert "retinue-bar retinue-full" in html

    def test_credits_have_the_name_that_the_site_gives_them(self, page, budget, settings):
        settings.RETINUE = {"CREDITS_NAME": "FTNS"}
        budget(unit="credits", limit=5)
        assert rows(page("budget/"))[0][5] == "5 FTNS a month"

    def test_whose_user_is_gone(self, page, budget):
        budget("user", "deleted:5")
        budget("user", "17")
        assert owners(page("budget/")) == ["User 17", "deleted user"]

    @pytest.mark.parametrize("number", [1, 20])
    def test_takes_as_many_queries_for_many(self, page, budget, django_assert_num_queries, number):
        for index in range(number):
            someone = get_user_model().objects.create_user(f"user{index}")
            budget("user", str(someone.pk))
            budget("group", str(Group.objects.create(name=f"group{index}").pk))
        with django_assert_num_queries(7):  # session, user, count, list, users, groups, periods
            assert len(rows(page("budget/"))) == 2 * number


class TestFilter:
    @pytest.fixture
    def four(self, budget, user):
        return [
            budget("user", str(user.pk)),
            budget("guest", "g", unit="tokens", period="day"),
            budget("guest", "h", unit="requests", period="total"),
            budget(is_active=False),
        ]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"owner_type__exact": "guest"}, ["Guest g", "Guest h"]),
            ({"unit__exact": "tokens"}, ["Guest g"]),
            ({"period__exact": "total"}, ["Guest h"]),
            ({"is_active__exact": "0"}, ["Everyone"]),
        ],
    )
    def test_by_what_it_is(self, page, four, query, found):
        assert owners(page("budget/", **query)) == found

    def test_by_last_reset(self, page, four, monkeypatch):
        mine, daily, total, _ = four
        accounts.charge(total, 1)
        monkeypatch.setattr(timezone, "now", lambda: NOW.replace(month=2))
        accounts.charge(mine, 1)
        monkeypatch.setattr(timezone, "now", lambda: NOW)
        accounts.charge(daily, 1)
        assert owners(page("budget/", last_reset="2026-03-14")) == ["Guest g"]
        assert owners(page("budget/", last_reset="2026-03")) == []
        assert owners(page("budget/", last_reset="earlier")) == ["ada"]
        assert owners(page("budget/", last_reset="never")) == ["Everyone"]
        accounts.charge(mine, 1)
        assert owners(page("budget/", last_reset="2026-03")) == ["ada"]
        assert owners(page("budget/", last_reset="earlier")) == []


class TestSearch:
    @pytest.mark.parametrize(
        ("term", "found"),
        [
            ("AD", ["ada"]),
            ("ada@example", ["ada"]),
            ("writ", ["Group Writers"]),
            ("visitor-1", ["Guest visitor-1"]),
            ("visitor", []),
            (" ", ["Everyone", "Group Writers", "Guest visitor-1", "ada"]),
        ],
    )
    def test_for_owners(self, page, budget, user, term, found):
        budget()
        budget("user", str(user.pk))
        budget("group", str(Group.objects.create(name="Writers").pk))
        budget("guest", "visitor-1")
        assert owners(page("budget/", q=term)) == found

    def test_for_the_key_of_a_user(self, page, budget, user):
        budget("user", str(user.pk))
        budget("user", f"{user.pk}0")
        assert owners(page("budget/", q=str(user.pk))) == ["ada"]


class TestMake:
    def test_for_a_user_by_his_name(self, page, user):
        response = page.client.post(f"{LIST}add/", typed(owner_type="user", owner_key="ada", limit="12.000000001"))
        assert (response.status_code, response["Location"]) == (302, LIST)
        made = Budget.objects.get()
        assert (made.owner_key, made.limit, made.is_active) == (str(user.pk), Decimal("12.000000001"), True)

    def test_for_a_group_by_its_key(self, page):
        group = Group.objects.create(name="Writers")
        page.client.post(f"{LIST}add/", typed(owner_type="group", owner_key=str(group.pk), unit="tokens", limit="5"))
        made = Budget.objects.get()
        assert (made.owner_key, made.limit_steps) == (str(group.pk), 5)

    def test_form_is_free_of_inline_code(self, page):
        html = unescape(page("budget/add/").content.decode())
        assert "tokens and requests in whole numbers." in html
        assert "field-usage" not in html

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"limit": "-1"}, {"limit": ["Ensure this value is greater than or equal to 0."]}),
            ({"limit": "NaN"}, {"limit": ["Enter a number."]}),
            ({"limit": ""}, {"limit": ["This field is required."]}),
            ({"limit": "9999999999"}, {"limit": ["9999999999 USD is more than can be counted."]}),
            ({"limit": "1e30"}, {"limit": ["Ensure that there are no more than 28 digits in total."]}),
            (
                {"unit": "tokens", "limit": "1.5"},
                {"limit": ["tokens are counted in whole numbers, not in 1.5."]},
            ),
            ({"unit": "euro"}, {"unit": ["Select a valid choice. euro is not one of the available choices."]}),
            ({"owner_type": "user", "owner_key": "eve"}, {"owner_key": ["There is no user 'eve'."]}),
            ({"owner_type": "user", "owner_key": "9" * 30}, {"owner_key": [f"There is no user '{'9' * 30}'."]}),
            ({"owner_type": "user"}, {"owner_key": ["Name the user."]}),
            ({"owner_type": "group", "owner_key": "7"}, {"owner_key": ["There is no group '7'."]}),
            ({"owner_type": "guest"}, {"owner_key": ["Give the guest's key."]}),
            ({"owner_key": "x"}, {"owner_key": ["A budget for everyone has no owner."]}),
        ],
    )
    def test_what_cannot_be_says_why(self, page, values, expected):
        response = page.client.post(f"{LIST}add/", typed(**values))
        assert errors(response) == expected
        assert not Budget.objects.exists()

    def test_one_of_each_unit_and_period(self, page, budget):
        budget()
        response = page.client.post(f"{LIST}add/", typed())
        assert errors(response) == {"__all__": ["There is a budget of this unit and period already."]}


class TestChange:
    def test_page_says_how_it_stands(self, page, budget, user):
        row = budget("user", str(user.pk), unit="credits", limit=100)
        accounts.grant(row, 20, reason="a gift")
        accounts.charge(row, "30.5")
        html = page(f"budget/{row.pk}/change/").content.decode()
        shown = dict(re.findall(r'field-(\w+)">(?:(?!field-).)*?<div class="readonly">(.*?)</div>', html, re.DOTALL))
        shown["usage"] = shown["usage"].partition("<")[0]
        assert shown.pop("ledger") == (f'<a href="/admin/retinue/ledgerentry/?period__budget={row.pk}">All entries</a>')
        assert shown == {
            "owner_type": "User",
            "owner_key": str(user.pk),
            "unit": "credits",
            "period": "a month",
            "owner": "ada",
            "usage": "25.4 %",
            "used_text": "30.5 credits",
            "held_text": "0 credits",
            "granted_text": "20 credits",
            "left_text": "89.5 credits",
            "last_reset": "03/01/2026",
            "renews": "04/01/2026",
        }
        assert "Limit (credits)" in html
        assert 'value="100"' in html

    def test_owner_and_unit_stay_once_there_are_entries(self, page, budget):
        row = budget()
        assert 'name="unit"' in page(f"budget/{row.pk}/change/").content.decode()
        accounts.charge(row, 1)
        html = page(f"budget/{row.pk}/change/").content.decode()
        assert [name for name in ("owner_type", "owner_key", "unit", "period") if f'name="{name}"' in html] == []
        page.client.post(change(row), typed(unit="tokens", limit="7"))
        row.refresh_from_db()
        assert (row.unit, row.limit) == ("usd", 7)

    def test_limit_is_in_the_history_in_words(self, page, budget, chief):
        row = budget(limit=10)
        page.client.post(change(row), {**typed(limit="2.5"), "is_active": ""})
        (entry,) = LogEntry.objects.all()
        assert (entry.user, entry.change_message) == (
            chief,
            "Changed the limit from 10 USD to 2.5 USD. Changed Active.",
        )
        row.refresh_from_db()
        assert (row.limit, row.is_active) == (Decimal("2.5"), False)

    def test_limit_below_what_is_used_is_taken_with_a_warning(self, page, budget):
        row = budget(limit=10)
        accounts.charge(row, 6)
        response = page.client.post(change(row), typed(limit="5"), follow=True)
        assert said(response)[0] == (
            "warning",
            "6 USD are used or held already: runs are refused until there is room again.",
        )
        row.refresh_from_db()
        assert row.limit == 5

    def test_nothing_changed_writes_nothing(self, page, budget):
        row = budget(limit=10)
        response = page.client.post(change(row), typed(), follow=True)
        assert said(response) == [
            ("success", f'The budget “<a href="{change(row)}">{row}</a>” was changed successfully.')
        ]

    def test_people_are_named_in_what_is_said_and_logged(self, page, budget, user):
        row = budget("user", str(user.pk), unit="credits", limit=5)
        assert "<h2>ada: 5 credits a month</h2>" in page(f"budget/{row.pk}/change/").content.decode()
        sent = typed(owner_type="user", owner_key=str(user.pk), unit="credits", limit="7")
        response = page.client.post(change(row), sent, follow=True)
        text = f'The budget “<a href="{change(row)}">ada: 7 credits a month</a>” was changed successfully.'
        assert said(response) == [("success", text)]
        assert LogEntry.objects.get().object_repr == "ada: 7 credits a month"

    def test_user_deleted_while_the_form_is_open_stays_deleted(self, page, budget, user):
        row = budget("user", str(user.pk))
        accounts.charge(row, 1)
        user.delete()
        page.client.post(change(row), typed(limit="5"))
        row.refresh_from_db()
        assert (row.owner_key, row.limit) == (f"deleted:{row.pk}", 5)

    def test_one_with_entries_cannot_be_deleted(self, page, budget):
        row = budget()
        accounts.charge(row, 1)
        response = page.client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
        assert "would require deleting the following protected related objects" in response.content.decode()
        data = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        assert page.client.post(LIST, data).status_code == 200
        assert Budget.objects.get() == row

    def test_one_without_entries_is_deleted(self, page, budget):
        row = budget()
        assert page.client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 302
        assert not Budget.objects.exists()


class TestGrantAndAdjust:
    def send(self, page, action, budgets, **values):
        data = {"action": action, "_selected_action": [budget.pk for budget in budgets], **values}
        return page.client.post(LIST, data, follow=True)

    def test_page_asks_how_much_and_why(self, page, budget, user):
        row = budget("user", str(user.pk), unit="tokens", limit=100)
        response = self.send(page, "grant", [row])
        html = response.content.decode()
        assert "Amount (tokens)" in html and 'name="reason"' in html and "csrfmiddlewaretoken" in html
        assert ">ada</td>" in html
        assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", html) == []
        assert not LedgerEntry.objects.exists()

    def test_grant_is_entered_with_its_reason_and_maker(self, page, budget, chief):
        one, two = budget(limit=10), budget(period="day", limit=1)
        response = self.send(page, "grant", [one, two], amount="5", reason="Spring", apply="Grant")
        assert said(response) == [("success", "Grant: 5 USD for 2 budgets.")]
        assert [
            (e.kind, e.period.budget_id, e.granted_change, e.reason, e.made_by)
            for e in LedgerEntry.objects.order_by("pk")
        ] == [
            ("grant", one.pk, 5 * 10**9, "Spring", str(chief.pk)),
            ("grant", two.pk, 5 * 10**9, "Spring", str(chief.pk)),
        ]
        assert {(entry.user, entry.change_message) for entry in LogEntry.objects.all()} == {
            (chief, "Granted 5 USD: Spring")
        }

    def test_adjust_goes_up_and_down(self, page, budget):
        row = budget(limit=10)
        response = self.send(page, "adjust", [row], amount="3", reason="forgotten", apply="Adjust")
        assert said(response) == [("success", "Adjust: 3 USD for 1 budget.")]
        self.send(page, "adjust", [row], amount="-1.5", reason="refund", apply="Adjust")
        assert Budget.objects.get().spent == Decimal("1.5")
        assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
            "Adjusted what was used by 3 USD: forgotten",
            "Adjusted what was used by -1.5 USD: refund",
        ]

    def test_adjust_below_nothing_is_refused_by_name(self, page, budget):
        row = budget(limit=10)
        accounts.charge(row, 1)
        response = self.send(page, "adjust", [row], amount="-2", reason="refund", apply="Adjust")
        assert said(response) == [("error", "Everyone: Only 1 USD are used.")]
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize(
        ("action", "amount", "reason", "expected"),
        [
            ("grant", "", "x", {"amount": ["This field is required."]}),
            ("grant", "1", " ", {"reason": ["This field is required."]}),
            ("grant", "-1", "x", {"amount": ["A grant is more than nothing."]}),
            ("adjust", "0", "x", {"amount": ["Nothing would change."]}),
            ("adjust", "-9999999999", "x", {"amount": ["-9999999999 USD is more than can be counted."]}),
        ],
    )
    def test_what_cannot_be_says_why(self, page, budget, action, amount, reason, expected):
        response = self.send(page, action, [budget()], amount=amount, reason=reason, apply="x")
        assert response.context["form"].errors == expected
        assert not LedgerEntry.objects.exists()

    def test_several_units_are_refused(self, page, budget):
        response = self.send(page, "grant", [budget(), budget(unit="tokens")], amount="5", reason="x", apply="Grant")
        assert said(response) == [("error", "Choose budgets of one unit: these are in USD and tokens.")]
        assert not LedgerEntry.objects.exists()

    def test_too_many_are_refused(self, page, budget, monkeypatch):
        monkeypatch.setattr("retinue.admin.amounts.MOST", 1)
        response = self.send(page, "grant", [budget(), budget(period="day")])
        assert said(response) == [("error", "Choose at most 1 budgets at once.")]

    def test_nothing_is_granted_without_a_token(self, chief, budget):
        client = Client(enforce_csrf_checks=True)
        client.force_login(chief)
        data = {"action": "grant", "_selected_action": [budget().pk], "amount": "5", "reason": "x", "apply": "Grant"}
        assert client.post(LIST, data).status_code == 403
        assert not LedgerEntry.objects.exists()

    def test_grant_reaches_the_balance(self, page, budget, user):
        row = budget("user", str(user.pk), unit="credits", limit=0)
        self.send(page, "grant", [row], amount="7", reason="bought", apply="Grant")
        (state,) = accounts.balance(Principal.of(user))
        assert (state.limit, state.available) == (7, 7)


class TestPermission:
    """Who reaches what: a status for each page and each kind of person."""

    @pytest.mark.parametrize(
        ("permissions", "statuses"),
        [
            (None, [302, 302, 302, 302, 302, 302]),
            ([], [403, 403, 403, 403, 403, 403]),
            (["view"], [200, 200, 403, 403, 403, 0]),
            (["change"], [200, 200, 403, 302, 403, 200]),
            (["add"], [403, 403, 200, 403, 403, 403]),
            (["delete"], [403, 403, 403, 403, 200, 403]),
        ],
    )
    def test_staff(self, staff, grant, budget, permissions, statuses):
        row = budget()
        client = Client()
        if permissions is not None:
            grant(staff, *(f"retinue.{name}_budget" for name in permissions))
            client = log_in(staff)
        assert self.statuses(client, row) == statuses
        row.refresh_from_db()
        assert row.limit == (7 if permissions == ["change"] else 10)

    def test_superuser(self, chief, budget):
        assert self.statuses(log_in(chief), budget()) == [200, 200, 200, 302, 200, 200]

    def test_who_may_only_look_sees_no_field_and_no_action(self, staff, grant, budget):
        grant(staff, "retinue.view_budget")
        client, row = log_in(staff), budget()
        html = client.get(change(row)).content.decode()
        assert "10 USD" in html and 'name="limit"' not in html
        assert 'value="grant"' not in client.get(LIST).content.decode()

    def statuses(self, client, row):
        """0: the list is shown, but the action is not offered."""
        granting = client.post(LIST, {"action": "grant", "_selected_action": [row.pk]})
        offered = granting.status_code != 200 or 'name="apply"' in granting.content.decode()
        return [
            client.get(LIST).status_code,
            client.get(change(row)).status_code,
            client.get(f"{LIST}add/").status_code,
            client.post(change(row), typed(limit="7")).status_code,
            client.get(f"{LIST}{row.pk}/delete/").status_code,
            granting.status_code if offered else 0,
        ]
