"""The admin's pages on approvals: looking, and deciding."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from retinue.approvals.decisions import approve, deny
from retinue.approvals.models import Approval
from retinue.executions.lifecycle import cancel
from retinue.testing import run_queued
from tests.admin.conftest import log_in
from tests.admin.test_executions import rows

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/retinue/approval/"
ARGUMENTS = {"product": "lamp", "price": "12.00"}


def url(approval, name="change"):
    return f"/admin/retinue/approval/{approval.pk}/{name}/"


def said(response):
    """What the messages on the page say."""
    found = re.findall(r'<li class="(\w+)">(.*?)</li>', response.content.decode(), re.DOTALL)
    return [(level, unescape(text).strip()) for level, text in found if level in ("success", "error", "warning")]


def has_form(response):
    return 'name="approve"' in response.content.decode()


def listed(page):
    """The list's cell with the arguments of the one approval."""
    html = page("approval/").content.decode()
    (cell,) = re.findall(r'<td class="field-short_arguments">(.*?)</td>', html)
    return cell


@pytest.fixture
def decide(page):
    """Sends a decision as a superuser."""

    def send(approval, button, **values):
        arguments = json.dumps(approval.arguments, indent=2)
        data = {"arguments": arguments, "note": "", button: "…", **values}
        return page.client.post(url(approval, "decide"), data, follow=True)

    return send


class TestList:
    def test_pending_come_first(self, page, approval):
        later = timezone.now() + timedelta(minutes=1)
        for number, status in enumerate(["denied", "pending", "approved"]):
            Approval.objects.create(
                execution=approval.execution,
                key=f"k{number}",
                tool_name=f"tool{number}",
                arguments_json=b"{}",
                digest=b"",
                status=status,
                created_at=later + timedelta(minutes=number),
            )
        html = page("approval/").content.decode()
        assert re.findall(r'change/">(tool\d|set_price)</a></th>', html) == ["tool1", "set_price", "tool2", "tool0"]

    def test_shows_what_waits_and_for_whom(self, page, approval):
        (row,) = rows(page("approval/"))
        assert row[:4] == ["set_price", "Pending", '{"product": "lamp", "price": "12.00"}', "pricer ada"]

    def test_shows_the_arguments_that_count(self, page, approval, user):
        assert "{&quot;product&quot;: &quot;lamp&quot;, &quot;price&quot;: &quot;12.00&quot;}" in listed(page)
        approve(approval, by=user, arguments={"product": "lamp", "price": "11.00"})
        assert '&quot;price&quot;: &quot;11.00&quot;} <em class="retinue-note">changed</em>' in listed(page)
        assert "12.00" not in listed(page)

    def test_takes_as_many_queries_for_many(self, page, approval, agent, user, django_assert_num_queries):
        for _ in range(10):
            agent.enqueue("Raise it", user=user)
        run_queued(agent)
        with django_assert_num_queries(4):  # session, user, count, list
            html = page("approval/").content.decode()
        assert html.count("set_price</a></th>") == 11


class TestDetail:
    def test_shows_what_is_asked(self, page, approval):
        html = unescape(page(f"approval/{approval.pk}/change/").content.decode())
        assert '<pre class="retinue-value">{\n  "product": "lamp",\n  "price": "12.00"\n}</pre>' in html
        assert "The tool needs an approval" in html
        assert f'<a href="/admin/retinue/agentexecution/{approval.execution_id}/change/">pricer</a>' in html
        assert f'action="{url(approval, "decide")}"' in html
        assert "decided_by" not in html

    def test_decided_one_shows_the_decision(self, page, approval, user):
        deny(approval, by=user, note="Too <much>")
        response = page(f"approval/{approval.pk}/change/")
        assert "Too &lt;much&gt;" in response.content.decode()
        assert "field-decided_by" in response.content.decode()
        assert not has_form(response)

    def test_one_of_a_cancelled_run_cannot_be_decided(self, page, approval):
        cancel(approval.execution)
        response = page(f"approval/{approval.pk}/change/")
        assert not has_form(response)
        assert "Expired" in response.content.decode()

    def test_one_whose_time_is_over_cannot_be_decided(self, page, approval):
        Approval.objects.update(expires_at=timezone.now())
        assert not has_form(page(f"approval/{approval.pk}/change/"))

    def test_takes_few_queries(self, page, approval, django_assert_num_queries):
        page(f"approval/{approval.pk}/change/")  # loads the content types
        with django_assert_num_queries(3):  # session, user, approval with its run
            page(f"approval/{approval.pk}/change/")


class TestDecide:
    def test_approve_lets_the_run_go_on(self, decide, approval, agent, chief):
        response = decide(approval, "approve")
        assert response.redirect_chain == [(LIST, 302)]
        assert said(response) == [("success", "Approved: set_price. The run goes on.")]
        approval.refresh_from_db()
        assert (approval.status, approval.decided_by, approval.changed_json) == ("approved", chief, None)
        (ran,) = run_queued(agent)
        assert (ran.status, ran.output_data) == ("completed", "It is done.")

    def test_approve_with_other_arguments(self, decide, approval, agent):
        changed = {"product": "lamp", "price": "11.00"}
        decide(approval, "approve", arguments=json.dumps(changed))
        approval.refresh_from_db()
        assert approval.changed_arguments == changed
        (ran,) = run_queued(agent)
        assert ran.steps.get(kind="tool", name="set_price").content == {"return": "lamp costs 11.00"}

    def test_approve_without_arguments_leaves_them(self, decide, approval):
        decide(approval, "approve", arguments=" ")
        approval.refresh_from_db()
        assert (approval.status, approval.changed_json) == ("approved", None)

    def test_deny_with_a_note(self, decide, approval, agent):
        response = decide(approval, "deny", note="Too much")
        assert said(response) == [("success", "Denied: set_price. The run goes on and is told.")]
        approval.refresh_from_db()
        assert (approval.status, approval.note) == ("denied", "Too much")

    def test_decision_is_in_the_history(self, decide, approval, chief, page):
        decide(approval, "deny")
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id, entry.change_message) == (chief, str(approval.pk), "Denied")
        assert "Denied" in page(f"approval/{approval.pk}/history/").content.decode()

    def test_reloading_leads_to_the_page(self, page, approval):
        response = page.client.get(url(approval, "decide"))
        assert (response.status_code, response["Location"]) == (302, url(approval))


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ("{nope", "This is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            ('{"price": NaN}', "This is not JSON: NaN"),
            ("[1]", "Arguments are a JSON object, in braces."),
        ],
    )
    def test_arguments_that_are_no_json_stay_on_the_page(self, decide, approval, arguments, error):
        response = decide(approval, "approve", arguments=arguments, note="typed")
        html = unescape(response.content.decode())
        assert error in html
        assert f">\n{arguments}</textarea>" in html
        assert ">\ntyped</textarea>" in html
        approval.refresh_from_db()
        assert approval.status == "pending"

    def test_arguments_that_the_tool_refuses_stay_on_the_page(self, decide, approval):
        response = decide(approval, "approve", arguments='{"product": "lamp", "price": "a lot"}')
        assert said(response) == [("error", "Price: Input should be a valid decimal")]
        assert has_form(response) and "a lot" in response.content.decode()
        approval.refresh_from_db()
        assert approval.status == "pending"

    def test_decided_by_another_meanwhile(self, decide, approval, user):
        deny(approval, by=user)
        response = decide(approval, "approve")
        assert said(response) == [("error", "The approval was decided before.")]
        assert not has_form(response)

    def test_run_that_ended_meanwhile(self, decide, approval):
        cancel(approval.execution)
        response = decide(approval, "approve")
        assert said(response) == [("error", "The run has ended; there is nothing to decide any more.")]

    def test_nothing_is_decided_without_a_token(self, chief, approval):
        client = Client(enforce_csrf_checks=True)
        client.force_login(chief)
        assert client.post(url(approval, "decide"), {"approve": "…"}).status_code == 403
        approval.refresh_from_db()
        assert approval.status == "pending"

    def test_unknown_approval_leads_back(self, page):
        response = page.client.post("/admin/retinue/approval/0199/decide/", {"approve": "…"}, follow=True)
        assert "doesn’t exist" in response.content.decode()

    def test_without_a_button_nothing_is_decided(self, page, approval):
        response = page.client.post(url(approval, "decide"), {"note": "x"})
        assert said(response) == [("error", "Choose: approve or deny.")]
        approval.refresh_from_db()
        assert approval.status == "pending"


class TestPermission:
    def test_staff_without_runs_see_nothing(self, staff, approval):
        client = log_in(staff)
        assert client.get(LIST).status_code == 403
        assert client.get(url(approval)).status_code in (302, 403)
        assert client.post(url(approval, "decide"), {"deny": "…"}).status_code in (302, 403)
        approval.refresh_from_db()
        assert approval.status == "pending"

    def test_viewers_do_not_decide(self, staff, grant, approval):
        grant(staff, "retinue.view_approval")
        client = log_in(staff)
        response = client.get(url(approval))
        assert (response.status_code, has_form(response)) == (200, False)
        assert client.post(url(approval, "decide"), {"deny": "…"}).status_code == 403
        approval.refresh_from_db()
        assert approval.status == "pending"

    def test_deciders_need_no_permission_to_view(self, staff, grant, approval):
        grant(staff, "retinue.decide_approval")
        client = log_in(staff)
        assert has_form(client.get(url(approval)))
        assert client.post(url(approval, "decide"), {"deny": "…"}).status_code == 302
        approval.refresh_from_db()
        assert (approval.status, approval.decided_by) == ("denied", staff)

    def test_staff_decide_about_their_own_runs(self, staff, approval, agent):
        agent.enqueue("Raise it", user=staff)
        run_queued(agent)
        own = Approval.objects.get(execution__user=staff)
        client = log_in(staff)
        assert client.get(LIST).content.decode().count("set_price</a></th>") == 1
        assert has_form(client.get(url(own)))
        assert client.get(url(approval)).status_code == 302
        client.post(url(own, "decide"), {"approve": "…", "arguments": "", "note": ""})
        own.refresh_from_db()
        assert (own.status, own.decided_by) == ("approved", staff)

    def test_only_staff_reach_the_page(self, user, approval):
        response = log_in(user).post(url(approval, "decide"), {"approve": "…"})
        assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/admin/login/")

    def test_nobody_adds_changes_or_deletes(self, page, approval):
        assert page.client.get(f"{LIST}add/").status_code == 403
        assert page.client.post(url(approval), {"status": "approved"}).status_code == 403
        assert page.client.post(url(approval, "delete"), {"post": "yes"}).status_code == 403
        assert get_user_model().objects.filter(username="chief").exists()
        assert Approval.objects.get().status == "pending"
