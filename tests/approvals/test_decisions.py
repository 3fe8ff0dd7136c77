"""Calls that wait for a person, and what becomes of them."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext, ToolPolicy
from retinue.approvals.decisions import approve, deny
from retinue.approvals.models import Approval
from retinue.errors import AlreadyDecided, DecisionNotAllowed, ExecutionWaiting, InvalidArguments
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution
from retinue.testing import run_queued
from tests.scripted import call, returned, scripted
from tests.shop.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


def pricer(*turns, **policy):
    agent = DjangoAgent("pricer", permission=AUTHENTICATED, model=scripted(*turns))

    @agent.tool(**{"approval": True, **policy})
    def set_price(ctx: RunContext[DjangoDeps], name: str, price: int) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label=f"{name}={price}")
        return f"{name} now costs {price}"

    @agent.tool
    def add_note(ctx: RunContext[DjangoDeps], label: str) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
        return label

    return agent


def parked(agent, user):
    with pytest.raises(ExecutionWaiting) as caught:
        agent.run_sync("Go", user=user)
    return caught.value.execution


def labels():
    return sorted(Note.objects.values_list("label", flat=True))


def test_call_waits_and_its_siblings_finish(user):
    agent = pricer([call("set_price", "p", name="lamp", price=5), call("add_note", "n", label="sibling")], "done")
    execution = parked(agent, user)
    execution.refresh_from_db()
    approval = Approval.objects.get()
    assert (execution.status, approval.status, approval.tool_name) == ("waiting", "pending", "set_price")
    assert approval.arguments == {"name": "lamp", "price": 5}
    assert approval.expires_at - approval.created_at == timedelta(hours=24)
    assert labels() == ["sibling"]


def test_approved_call_goes_on_once(user):
    agent = pricer(
        [call("set_price", "p", name="lamp", price=5), call("add_note", "n", label="sibling")],
        lambda m: " ".join(sorted(map(str, returned(m)))),
    )
    execution = parked(agent, user)
    approve(Approval.objects.get(), by=user)
    execution.refresh_from_db()
    assert execution.status == "queued"
    (ran,) = run_queued(agent)
    assert (ran.status, ran.output_data) == ("completed", "lamp now costs 5 sibling")
    assert labels() == ["lamp=5", "sibling"]


def test_denied_call_tells_the_model_the_note(user):
    agent = pricer([call("set_price", name="lamp", price=5)], lambda m: m[-1].parts[0].content)
    parked(agent, user)
    deny(Approval.objects.get(), by=user, note="Too cheap.")
    (ran,) = run_queued(agent)
    assert ran.output_data == "Too cheap."
    assert labels() == []


def test_changed_arguments_are_used(user):
    agent = pricer([call("set_price", name="lamp", price=5)], lambda m: returned(m)[0])
    from retinue.agents.registry import registered

    parked(agent, user)
    with registered(agent):
        with pytest.raises(InvalidArguments, match="price"):
            approve(Approval.objects.get(), by=user, arguments={"name": "lamp", "price": "many"})
        with pytest.raises(InvalidArguments, match=r"^The arguments cannot be stored as JSON\.$"):
            approve(Approval.objects.get(), by=user, arguments={"name": "\ud800", "price": 7})
        approve(Approval.objects.get(), by=user, arguments={"name": "lamp", "price": 7})
    (ran,) = run_queued(agent)
    assert ran.output_data == "lamp now costs 7"
    assert Approval.objects.get().changed_arguments == {"name": "lamp", "price": 7}


def test_changed_arguments_of_a_toolset_are_checked(user):
    from pydantic import ValidationError
    from pydantic_ai.toolsets import FunctionToolset

    toolset = FunctionToolset()

    @toolset.tool_plain
    def double(number: int) -> int:
        return number * 2

    agent = DjangoAgent("doubler", toolsets=[toolset.with_metadata(retinue=ToolPolicy(approval=True))])
    agent.validate_arguments("double", {"number": 2})
    with pytest.raises(ValidationError):
        agent.validate_arguments("double", {"number": "many"})


def test_batch_is_decided_one_by_one(user):
    agent = pricer(
        [call("set_price", "a", name="a", price=1), call("set_price", "b", name="b", price=2)],
        lambda m: str(len(m[-1].parts)),
    )
    execution = parked(agent, user)
    first, second = Approval.objects.order_by("key")
    approve(first, by=user)
    execution.refresh_from_db()
    assert execution.status == "waiting"
    deny(second, by=user)
    (ran,) = run_queued(agent)
    assert (ran.status, labels()) == ("completed", ["a=1"])


def test_second_decision_is_refused(user):
    parked(pricer([call("set_price", name="lamp", price=5)], "done"), user)
    approval = Approval.objects.get()
    approve(approval, by=user)
    with pytest.raises(AlreadyDecided):
        deny(approval, by=user)


def test_only_the_owner_and_holders_of_the_permission_decide(user, grant):
    parked(pricer([call("set_price", name="lamp", price=5)], "done"), user)
    other = get_user_model().objects.create_user("eve")
    with pytest.raises(DecisionNotAllowed):
        approve(Approval.objects.get(), by=other)
    grant(other, "retinue.decide_approval")
    other = get_user_model().objects.get(pk=other.pk)
    assert approve(Approval.objects.get(), by=other).decided_by == other


def test_approval_expires(user):
    agent = pricer([call("set_price", name="lamp", price=5)], lambda m: m[-1].parts[0].content, approval_ttl=60)
    execution = parked(agent, user)
    past = timezone.now() - timedelta(seconds=1)
    Approval.objects.update(expires_at=past)
    AgentExecution.objects.filter(pk=execution.pk).update(run_after=past)
    with pytest.raises(AlreadyDecided):
        approve(Approval.objects.get(), by=user)
    (ran,) = run_queued(agent)
    assert (ran.output_data, labels()) == ("The approval was not given in time.", [])
    assert Approval.objects.get().status == "expired"


def test_approval_without_end(user):
    execution = parked(pricer([call("set_price", name="a", price=5)], "done", approval_ttl=None), user)
    execution.refresh_from_db()
    assert (Approval.objects.get().expires_at, execution.run_after) == (None, None)


def test_rule_decides_whether_to_ask(user):
    turns = [[call("set_price", "a", name="a", price=1)], [call("set_price", "b", name="b", price=100)], "done"]
    agent = pricer(*turns, approval=lambda ctx, name, price: price > 10)
    parked(agent, user)
    assert labels() == ["a=1"]
    approve(Approval.objects.get(), by=user)
    run_queued(agent)
    assert labels() == ["a=1", "b=100"]


def test_cancelled_run_is_not_decided(user):
    execution = parked(pricer([call("set_price", name="a", price=5)], "done"), user)
    assert cancel(execution)
    with pytest.raises(AlreadyDecided):
        approve(Approval.objects.get(), by=user)


def test_run_with_wait_goes_on_in_the_same_call(user):
    import threading

    agent = pricer([call("set_price", name="lamp", price=5)], lambda m: returned(m)[0])

    def decide():
        from django.db import connection

        while not (found := list(Approval.objects.pending())):
            pass
        approve(found[0], by=user)
        connection.close()

    decider = threading.Thread(target=decide)
    decider.start()
    result = agent.run_sync("Go", user=user, wait=True)
    decider.join()
    assert result.output == "lamp now costs 5"


def test_interrupted_external_call_asks_a_person(user):
    """A crash after the started mark: simulated by writing what such a crash leaves."""
    sent = []
    agent = DjangoAgent("sender", permission=AUTHENTICATED, model=scripted([call("send")], lambda m: str(m[-1].parts)))

    @agent.tool
    async def send(ctx: RunContext[DjangoDeps]) -> str:
        sent.append(ctx.tool_call_approved)
        if len(sent) < 3:
            raise Died
        return "sent"

    crash(agent, user)
    run_queued(agent)
    approval = Approval.objects.get()
    assert (approval.reason, sent) == ("uncertain", [False])
    approve(approval, by=user)
    orphan(agent)  # dies again, in the call that was allowed: a new question
    run_queued(agent)
    assert sent == [False, True]
    second = Approval.objects.pending().get()
    assert second.reason == "uncertain"
    approve(second, by=user)
    (ran,) = run_queued(agent)
    assert (ran.status, sent) == ("completed", [False, True, True])


@pytest.mark.parametrize(("rule", "calls", "status"), [("retry", 2, "completed"), ("fail", 1, "completed")])
def test_interrupted_external_call_by_its_rule(user, rule, calls, status):
    sent = []
    agent = DjangoAgent("sender", permission=AUTHENTICATED, model=scripted([call("send")], "done"))

    @agent.tool(on_uncertain=rule)
    async def send(ctx: RunContext[DjangoDeps]) -> str:
        sent.append(1)
        if len(sent) == 1:
            raise Died
        return "sent"

    crash(agent, user)
    (ran,) = run_queued(agent)
    assert (ran.status, len(sent), Approval.objects.count()) == (status, calls, 0)


class Died(BaseException):
    """Stands for the end of the process: nothing is written after it."""


def crash(agent, user):
    with pytest.raises(Died):
        agent.run_sync("Go", user=user)
    AgentExecution.objects.update(status="queued")


def orphan(agent):
    from contextlib import suppress

    with suppress(Died):
        run_queued(agent)
    AgentExecution.objects.filter(status="running").update(status="queued")


def test_policy_rejects_nonsense():
    for wrong in ({"effects": "some"}, {"on_uncertain": "maybe"}, {"permission": "change"}):
        with pytest.raises(ValueError):
            ToolPolicy(**wrong)
