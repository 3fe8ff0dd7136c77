"""The admin's pages on executions."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from retinue import AUTHENTICATED, SYSTEM, DjangoAgent, DjangoDeps, RunContext
from retinue.approvals.decisions import approve
from retinue.executions.models import AgentExecution
from tests.admin.conftest import log_in
from tests.management.agents import pricer
from tests.scripted import call, scripted


def rows(response):
    """The list's cells as text."""
    table = response.content.decode().partition('id="result_list"')[2].partition("</table>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL)
    return [[text(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line, re.DOTALL)] for line in lines]


def text(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def agents(response):
    return [row[0] for row in rows(response)]


def change(execution):
    return f"agentexecution/{execution.pk}/change/"


class TestList:
    def test_shows_the_newest_first(self, page, make, user):
        when = timezone.now().replace(2026, 3, 4, 15, 6)
        make("old", created_at=when - timedelta(hours=1), tokens_used=1)
        make(
            "new",
            created_at=when,
            status="failed",
            user=user,
            principal_type="user",
            principal_key=str(user.pk),
            tokens_used=12,
            cost=Decimal("0.00125"),
            input_prompt="Say <b>hello</b> to everyone who is here, and to others, too",
        )
        assert rows(page("agentexecution/")) == [
            [
                "new",
                "Failed",
                "ada",
                "Say <b>hello</b> to everyone who is here, and to …",
                "03/04/2026 3:06 p.m.",
                "0.00125 12 tokens",
            ],
            ["old", "Completed", "System", "Hello", "03/04/2026 2:06 p.m.", "unknown 1 token"],
        ]

    def test_whom_a_run_acts_for(self, page, make, user):
        make("guest", principal_type="guest", principal_key="k1")
        make("deleted", principal_type="user", principal_key="17")
        assert {row[0]: row[2] for row in rows(page("agentexecution/"))} == {"guest": "Guest k1", "deleted": "User 17"}

    def test_address_may_break_in_a_narrow_column(self, page, make):
        make(principal_type="guest", principal_key="<i>@b.example")
        assert "Guest &lt;i&gt;@<wbr>b.example</td>" in page("agentexecution/").content.decode()

    def test_cost_is_not_nothing_where_it_is_unknown(self, page, make):
        make("free", cost=Decimal(0), tokens_used=5)
        make("unknown", cost=None, tokens_used=5)
        make("unused", cost=None, tokens_used=0)
        costs = {row[0]: row[5] for row in rows(page("agentexecution/"))}
        assert costs == {"free": "0 5 tokens", "unknown": "unknown 5 tokens", "unused": "– 0 tokens"}

    @pytest.mark.parametrize("number", [1, 30])
    def test_takes_as_many_queries_for_many(self, page, make, user, django_assert_num_queries, number):
        for _ in range(number):
            make(user=user)
        page("agentexecution/")  # loads the agents
        with django_assert_num_queries(4):  # session, user, count, list
            page("agentexecution/")

    def test_reads_no_long_column_and_counts_no_further_than_it_lists(self, page, make):
        make(output_data="x" * 1000)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page("agentexecution/")
        counting, listing = [q["sql"] for q in queries if 'FROM "retinue_agentexecution"' in q["sql"]]
        assert "LIMIT 10001" in counting
        assert "ORDER BY" not in counting
        assert "output_data" not in listing
        assert '"retinue_agentexecution"."input"' not in listing

    def test_says_where_it_stops_counting(self, page, make, monkeypatch):
        note = "There are more: only the first 3 are listed."
        monkeypatch.setattr("retinue.admin.readonly.COUNTED", 3)
        for _ in range(3):
            make()
        assert note not in page("agentexecution/").content.decode()
        make()
        response = page("agentexecution/")
        assert note in response.content.decode()
        assert response.context["cl"].result_count == 3

    def test_pages(self, page, make):
        for number in range(51):
            make(f"agent{number}", created_at=timezone.now() - timedelta(minutes=number))
        assert len(rows(page("agentexecution/"))) == 50
        assert agents(page("agentexecution/", p=2)) == ["agent50"]


class TestFilter:
    def test_by_status(self, page, make):
        make("one", status="failed")
        make("two", status="waiting")
        assert agents(page("agentexecution/", status__exact="failed")) == ["one"]

    def test_by_agent_offers_the_names_of_the_site(self, page, make):
        make("clerk")
        make("warden")
        response = page("agentexecution/", agent_name="warden")
        assert agents(response) == ["warden"]
        offered = re.findall(r"agent_name=(\w+)", response.content.decode())
        assert sorted(set(offered)) == ["assistant", "clerk", "warden"]

    def test_by_an_agent_that_is_gone(self, page, make):
        make("clerk")
        make("retired")
        assert agents(page("agentexecution/", agent_name="retired")) == ["retired"]

    def test_by_date(self, page, make):
        make("today")
        make("earlier", created_at=timezone.now() - timedelta(days=3))
        since = (timezone.now() - timedelta(days=1)).isoformat()
        assert agents(page("agentexecution/", created_at__gte=since)) == ["today"]


class TestSearch:
    def test_in_prompts(self, page, make):
        make("one", input_prompt="Find the Lamp")
        make("two")
        assert agents(page("agentexecution/", q="lamp")) == ["one"]

    def test_for_users(self, page, make, user):
        make("hers", user=user)
        make("other")
        assert agents(page("agentexecution/", q="ada")) == ["hers"]

    def test_for_an_id(self, page, make):
        wanted = make("one")
        make("two", input_prompt=str(wanted.pk))
        assert agents(page("agentexecution/", q=f" {wanted.pk} ")) == ["one"]

    def test_finds_nothing(self, page, make):
        make()
        assert agents(page("agentexecution/", q="nothing like it")) == []


@pytest.mark.django_db(transaction=True)
class TestDetail:
    def test_steps_read_from_top_to_bottom(self, page, user):
        result = pricer(scripted([call("look", name="<lamp>")], "It costs 9.50.")).run_sync("Look & see", user=user)
        html = page(change(result.execution)).content.decode()
        steps = html.partition('id="retinue-steps"')[2].partition("</table>")[0].partition("<tbody>")[2]
        summaries = [text(summary) for summary in re.findall(r"<summary>(.*?)</summary>", steps, re.DOTALL)]
        assert summaries == [
            'calls look {"name": "<lamp>"}',
            '{"name": "<lamp>", "price": "9.50"}',
            "It costs 9.50.",
        ]
        kinds = [text(kind) for kind in re.findall(r'<tr class="retinue-kind-\w+">\s*<td>(.*?)</td>', steps)]
        assert kinds == ["Model request", "Tool call", "Model request"]
        assert "&lt;lamp&gt;" in steps and "<lamp>" not in steps
        assert "Look &amp; see" in html

    def test_payloads_are_whole_and_indented(self, page, user):
        result = pricer(scripted([call("look", name="lamp")], "done")).run_sync("Look", user=user)
        html = unescape(page(change(result.execution)).content.decode())
        assert '{\n  "return": {\n    "name": "lamp",\n    "price": "9.50"\n  }\n}' in html

    def test_all_fields_are_there(self, page, make):
        html = page(change(make())).content.decode()
        fields = set(re.findall(r"field-(\w+)", html))
        shown = {
            "state": "status",
            "prompt_text": "input_prompt",
            "given": "input",
            "output": "output_data",
            "costs": "cost",
            "charges": "charge",
            "work": "execution_time",
            "parent_link": "parent",
            "root_link": "root",
            "retry_link": "retry_of",
            "session_link": "session",
            "replaces_link": "replaces",
            "rated": "rating",
        }
        elsewhere = {"error_code", "error_message", "rating_note"}  # in place of the output, and beside the rating
        expected = {field.name for field in AgentExecution._meta.concrete_fields} - elsewhere
        assert {shown.get(name, name) for name in fields} - {"acts_for"} == expected

    def test_failed_run_says_why(self, page, make):
        execution = make(status="failed", error_code="timeout", error_message="The run took longer than it may.")
        html = page(change(execution)).content.decode()
        assert "The run took longer than it may. (timeout)" in html
        assert "field-output" not in html

    def test_nothing_is_recorded_yet(self, page, make):
        assert "Nothing is recorded yet." in page(change(make(status="queued"))).content.decode()

    def test_input_and_output_are_indented_json(self, page, make):
        execution = make(output_data={"word": "glücklich"}, input=b'{"prompt": "Hello", "deps": {}}')
        html = unescape(page(change(execution)).content.decode())
        assert '{\n  "word": "glücklich"\n}' in html
        assert '{\n  "prompt": "Hello",\n  "deps": {}\n}' in html

    def test_very_long_output_is_cut(self, page, make):
        html = page(change(make(output_data="x" * 25_000))).content.decode()
        assert "x" * 20_000 in html and "x" * 20_001 not in html
        assert "… and 5000 more characters" in html

    def test_what_a_redaction_left_is_shown_as_text(self, page, make):
        execution = make()
        execution.steps.create(
            key="model", kind="model", name="m", digest=b"", payload=b"<redacted \xff>", started_at=timezone.now()
        )
        assert "&lt;redacted \ufffd&gt;" in page(change(execution)).content.decode()

    def test_offline_model_is_called_by_its_name(self, page):
        execution = DjangoAgent("plain").run_sync("Hello", principal=SYSTEM).execution
        assert "offline:default" in page(change(execution)).content.decode()

    def test_children_and_parents_are_linked(self, page, user):
        helper = DjangoAgent("helper", permission=AUTHENTICATED, model=scripted("helped"))
        boss = DjangoAgent("boss", permission=AUTHENTICATED, model=scripted([call("ask")], "done"))

        @boss.tool(effects="delegate")
        async def ask(ctx: RunContext[DjangoDeps]) -> str:
            return (await helper.run("Help")).output

        root = boss.run_sync("Go", user=user).execution
        child = AgentExecution.objects.get(parent=root)
        assert f'<a href="/admin/retinue/{change(child)}">helper</a>' in page(change(root)).content.decode()
        html = page(change(child)).content.decode()
        assert html.count(f'<a href="/admin/retinue/{change(root)}">{root.pk}</a>') == 2  # parent and root

    def test_approvals_are_linked(self, page, approval):
        html = page(change(approval.execution)).content.decode()
        assert f'<a href="/admin/retinue/approval/{approval.pk}/change/">set_price</a>' in html

    def test_approvals_are_shown_with_the_arguments_that_count(self, page, approval, user):
        approve(approval, by=user, arguments={"product": "lamp", "price": "11.00"})
        said = text(page(change(approval.execution)).content.decode())
        assert 'set_price Approved {"product": "lamp", "price": "11.00"} changed' in said

    @pytest.mark.parametrize("number", [1, 20])
    def test_takes_as_many_queries_for_many(self, page, make, user, django_assert_num_queries, number):
        root = make(user=user)
        for index in range(number):
            root.steps.create(key=f"s{index}", kind="tool", digest=b"", payload=b"{}", started_at=timezone.now())
            make(root=root, parent=root, path=f"/{index}")
        page(change(root))  # loads the content types
        with django_assert_num_queries(7):  # session, user, execution, whom it acts for, steps, children, approvals
            page(change(root))

    def test_long_runs_show_their_first_steps(self, page, make):
        execution = make()
        for index in range(203):
            execution.steps.create(key=f"s{index}", kind="tool", digest=b"", started_at=timezone.now())
        html = page(change(execution)).content.decode()
        assert html.count('<tr class="retinue-kind-tool">') == 200
        assert "3 more steps are not shown." in html


class TestPermission:
    def test_nobody_adds_changes_or_deletes(self, page, make):
        execution = make()
        place = f"/admin/retinue/agentexecution/{execution.pk}"
        assert page.client.get("/admin/retinue/agentexecution/add/").status_code == 403
        assert page.client.get(f"{place}/delete/").status_code == 403
        assert page.client.post(f"{place}/delete/", {"post": "yes"}).status_code == 403
        assert page.client.post(f"{place}/change/", {"agent_name": "other"}).status_code == 403
        response = page.client.post(
            "/admin/retinue/agentexecution/", {"action": "delete_selected", "_selected_action": [str(execution.pk)]}
        )
        assert response.status_code in (200, 302)
        assert AgentExecution.objects.get() == execution

    def test_staff_need_the_permission_to_view(self, make, staff, grant):
        execution = make()
        paths = ["/admin/retinue/agentexecution/", f"/admin/retinue/{change(execution)}"]
        assert [log_in(staff).get(path).status_code for path in paths] == [403, 403]
        grant(staff, "retinue.view_agentexecution")
        assert [log_in(staff).get(path).status_code for path in paths] == [200, 200]

    def test_unknown_execution_leads_back(self, page):
        response = page.client.get("/admin/retinue/agentexecution/0199/change/", follow=True)
        assert "doesn’t exist" in response.content.decode()
