"""`manage.py approvals`."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from retinue.agents.registry import registered
from retinue.approvals.models import Approval
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution
from retinue.testing import run_queued
from tests.management.agents import asking

pytestmark = pytest.mark.django_db(transaction=True)

CALL = 'set_price(product="lamp", price="12.00")'


@pytest.fixture
def agent():
    made = asking()
    with registered(made):
        yield made


@pytest.fixture
def approval(agent, user):
    """One that Ada's run waits for."""
    agent.enqueue("Raise it", user=user)
    run_queued(agent)
    return Approval.objects.get()


@pytest.fixture
def boss(db, grant):
    boss = get_user_model().objects.create_user("boss")
    grant(boss, "retinue.decide_approval")
    return boss


class TestList:
    def test_nothing_waits(self, command, db):
        done = command("approvals")
        assert (done.out, done.error, done.code) == ("Nothing waits for a decision.\n", "", 0)
        assert command("approvals", json=True).out == "[]\n"

    @pytest.mark.parametrize("arguments", [(), ("list",)])
    def test_shows_what_waits(self, command, approval, arguments):
        Approval.objects.update(expires_at=timezone.now() + timedelta(hours=3, minutes=30, seconds=30))
        assert command("approvals", *arguments).out.splitlines() == [
            CALL,
            f"  {approval.pk}, expires in 3 h 30 min",
            "  pricer for ada: The tool needs an approval",
            "Decide with: manage.py approvals approve|deny ID --by USERNAME",
        ]

    def test_json(self, command, approval):
        assert json.loads(command("approvals", json=True).out) == [
            {
                "id": str(approval.pk),
                "execution": str(approval.execution_id),
                "agent": "pricer",
                "tool": "set_price",
                "arguments": {"product": "lamp", "price": "12.00"},
                "changed_arguments": None,
                "reason": "required",
                "status": "pending",
                "note": "",
                "created_at": approval.created_at.isoformat(),
                "expires_at": approval.expires_at.isoformat(),
                "decided_at": None,
                "decided_by": None,
            }
        ]

    def test_one_that_does_not_expire(self, command, approval):
        Approval.objects.update(expires_at=None)
        assert command("approvals").out.splitlines()[1] == f"  {approval.pk}, does not expire"

    def test_what_cannot_be_decided_is_left_out(self, command, approval):
        Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert command("approvals").out == "Nothing waits for a decision.\n"

    def test_what_a_cancelled_run_asked_is_left_out(self, command, approval):
        cancel(approval.execution)
        assert command("approvals").out == "Nothing waits for a decision.\n"

    def test_takes_as_many_queries_for_many(self, command, approval, agent, user, django_assert_num_queries):
        agent.enqueue("Raise it, too", user=user)
        run_queued(agent)
        with django_assert_num_queries(1):
            assert command("approvals").out.count(CALL) == 2


class TestDecide:
    def test_approve_lets_the_run_go_on(self, command, approval, agent, user):
        done = command("approvals", "approve", str(approval.pk), by="ada")
        assert (done.out, done.error, done.code) == (f"Approved: {CALL}\n", "", 0)
        approval.refresh_from_db()
        assert (approval.status, approval.decided_by) == ("approved", user)
        (ran,) = run_queued(agent)
        assert (ran.status, ran.output_data) == ("completed", "It is done.")

    def test_approve_with_other_arguments(self, command, approval, boss):
        changed = '{"product": "lamp", "price": "11.00"}'
        done = command("approvals", "approve", str(approval.pk), by="boss", arguments=changed)
        assert done.out == 'Approved: set_price(product="lamp", price="11.00")\n'
        approval.refresh_from_db()
        assert (approval.decided_by, approval.changed_arguments) == (boss, json.loads(changed))

    def test_deny_with_a_note(self, command, approval):
        done = command("approvals", "deny", str(approval.pk), by="ada", note="Too much")
        assert done.out == f"Denied: {CALL}\n"
        approval.refresh_from_db()
        assert (approval.status, approval.note) == ("denied", "Too much")

    def test_json(self, command, approval):
        done = json.loads(command("approvals", "deny", str(approval.pk), by="ada", json=True).out)
        approval.refresh_from_db()
        assert (done["id"], done["status"], done["decided_by"]) == (str(approval.pk), "denied", "ada")
        assert done["decided_at"] == approval.decided_at.isoformat()

    @pytest.mark.parametrize("shorten", [lambda pk: str(pk)[:13], lambda pk: pk.hex[:14].upper()])
    def test_beginning_of_the_id_is_enough(self, command, approval, shorten):
        assert command("approvals", "deny", shorten(approval.pk), by="ada").code == 0

    def test_other_runs_go_on_waiting(self, command, approval, agent, user):
        agent.enqueue("Raise it, too", user=user)
        run_queued(agent)
        command("approvals", "approve", str(approval.pk), by="ada")
        assert sorted(Approval.objects.values_list("status", flat=True)) == ["approved", "pending"]
        assert sorted(AgentExecution.objects.values_list("status", flat=True)) == ["queued", "waiting"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "options", "sentence"),
        [
            (("approve",), {}, "Say which: manage.py approvals approve ID --by USERNAME"),
            (("approve", "ID"), {}, "Say who decides: --by USERNAME"),
            (("deny", "ID"), {"by": "bob"}, "There is no user whose username is 'bob'."),
            (("list", "ID"), {}, "To decide, say approve or deny before the id."),
            (("approve", "ID"), {"by": "ada", "note": "x"}, "A note goes with a denial only."),
            (("deny", "ID"), {"by": "ada", "arguments": "{}"}, "Arguments go with an approval only."),
            (("deny", "xyz1"), {"by": "ada"}, "'xyz1' is not the id of an approval, nor the beginning of one."),
            (("deny", "019"), {"by": "ada"}, "'019' is not the id of an approval, nor the beginning of one."),
            (("deny", "ffff"), {"by": "ada"}, "There is no approval whose id is ffff or begins with it."),
            (
                ("approve", "ID"),
                {"by": "ada", "arguments": "price=3"},
                "--arguments is not JSON: Expecting value: line 1 column 1 (char 0).",
            ),
            (
                ("approve", "ID"),
                {"by": "ada", "arguments": '{"price": NaN}'},
                "--arguments is not JSON: NaN is not JSON.",
            ),
            (
                ("approve", "ID"),
                {"by": "ada", "arguments": "[3]"},
                '--arguments is a JSON object, like {"price": 9.5}.',
            ),
            (
                ("approve", "ID"),
                {"by": "ada", "arguments": '{"product": "lamp", "price": "a lot"}'},
                "price: Input should be a valid decimal",
            ),
        ],
    )
    def test_is_one_sentence_and_decides_nothing(self, command, approval, arguments, options, sentence):
        given = [str(approval.pk) if argument == "ID" else argument for argument in arguments]
        done = command("approvals", *given, **options)
        assert (done.out, done.error, done.code) == ("", sentence, 1)
        approval.refresh_from_db()
        assert approval.status == "pending"

    def test_permission_is_needed(self, command, approval):
        get_user_model().objects.create_user("bob")
        done = command("approvals", "approve", str(approval.pk), by="bob")
        assert (done.error, done.code) == (
            "Only the run's own user and holders of retinue.decide_approval may decide this.",
            1,
        )
        approval.refresh_from_db()
        assert approval.status == "pending"

    def test_decided_once_only(self, command, approval):
        command("approvals", "deny", str(approval.pk), by="ada")
        done = command("approvals", "approve", str(approval.pk), by="ada")
        assert (done.error, done.code) == ("The approval was decided before.", 1)

    def test_beginning_that_several_have_names_them(self, command, approval):
        others = [UUID(int=approval.pk.int ^ bit) for bit in (1, 2)]
        for number, pk in enumerate(others):
            Approval.objects.create(
                pk=pk,
                execution=approval.execution,
                key=f"other{number}",
                tool_name="set_price",
                arguments_json=b"{}",
                digest=b"",
            )
        start = approval.pk.hex[:20]
        done = command("approvals", "deny", start, by="ada")
        first, second = sorted([approval.pk, *others])[:2]
        assert done.error == f"Several approvals begin with {start}: {first}, {second} and more."
