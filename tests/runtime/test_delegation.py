"""Agents that run agents."""

import asyncio

import pytest

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.errors import ExecutionFailed, ExecutionWaiting
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.testing import run_queued
from tests.scripted import call, prompt_of, returned, scripted
from tests.shop.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


def helper(**options):
    agent = DjangoAgent(
        "helper",
        permission=options.pop("permission", AUTHENTICATED),
        model=scripted(lambda m: [call("write", label=prompt_of(m))], lambda m: f"did {prompt_of(m)}"),
    )

    @agent.tool(**options)
    def write(ctx: RunContext[DjangoDeps], label: str) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
        return label

    return agent


def boss(child, *calls, last=lambda m: " | ".join(map(str, returned(m)))):
    agent = DjangoAgent("boss", permission=AUTHENTICATED, model=scripted(list(calls), last))

    @agent.tool(effects="delegate")
    async def ask(ctx: RunContext[DjangoDeps], what: str, delay: float = 0.0) -> str:
        await asyncio.sleep(delay)
        return (await child.run(what)).output

    @agent.tool(effects="delegate")
    async def ask_carefully(ctx: RunContext[DjangoDeps], what: str) -> str:
        try:
            return (await child.run(what)).output
        except Exception as error:
            return f"caught {type(error).__name__}"

    @agent.tool
    async def ask_unsaid(ctx: RunContext[DjangoDeps], what: str) -> str:
        return (await child.run(what)).output

    @agent.tool
    def ask_sync(ctx: RunContext[DjangoDeps], what: str) -> str:
        return child.run_sync(what).output

    return agent


def test_child_is_an_execution_of_its_own(user):
    result = boss(helper(), call("ask", what="x")).run_sync("Go", user=user)
    assert result.output == "did x"
    root = AgentExecution.objects.get(parent=None)
    child = AgentExecution.objects.get(parent=root)
    assert (child.agent_name, child.status, child.output_data, child.root_id) == (
        "helper", "completed", "did x", root.pk,
    )  # fmt: skip
    assert child.path.startswith("/tool:ask@1:c1/helper[")
    assert ExecutionStep.objects.filter(execution=child).count() == 3
    assert root.tokens_used == sum(s.input_tokens + s.output_tokens for s in ExecutionStep.objects.all())
    assert 0 < child.tokens_used < root.tokens_used


def test_parallel_children_keep_their_answers(user):
    agent = boss(helper(), call("ask", "a", what="slow", delay=0.05), call("ask", "b", what="quick"))
    assert agent.run_sync("Go", user=user).output == "did slow | did quick"


def test_child_that_waits_parks_its_root(user):
    agent, child = boss(helper(approval=True), call("ask", "a", what="x"), call("ask", "b", what="y")), None
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    assert [a.status for a in Approval.objects.all()] == ["pending", "pending"]
    assert set(AgentExecution.objects.values_list("status", flat=True)) == {"waiting"}
    first, second = Approval.objects.order_by("created_at")
    approve(first, by=user)
    (ran,) = run_queued(agent)  # the one decided goes on; the other waits still
    assert (ran.status, Note.objects.count()) == ("waiting", 1)
    approve(second, by=user)
    (ran,) = run_queued(agent)
    assert (ran.status, ran.output_data, child) == ("completed", "did x | did y", None)
    assert sorted(Note.objects.values_list("label", flat=True)) == ["x", "y"]


def test_wait_of_a_child_cannot_be_swallowed(user):
    agent = boss(helper(approval=True), call("ask_carefully", what="x"))
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    approve(Approval.objects.get(), by=user)
    (ran,) = run_queued(agent)
    assert (ran.status, ran.output_data) == ("completed", "did x")


@pytest.mark.parametrize("tool", ["ask_unsaid", "ask_sync"])
def test_tool_that_delegates_unsaid_is_refused(user, tool):
    with pytest.raises(ExecutionFailed, match="effects='delegate'"):
        boss(helper(), call(tool, what="x")).run_sync("Go", user=user)
    assert AgentExecution.objects.get().error_code == "configuration"


def test_sync_tool_cannot_delegate():
    agent = DjangoAgent("wrong")
    with pytest.raises(TypeError, match="async def"):

        @agent.tool(effects="delegate")
        def ask(ctx: RunContext[DjangoDeps]) -> str:
            return ""


def test_child_needs_its_own_permission(user):
    agent = boss(helper(permission="shop.view_note"), call("ask_carefully", what="x"))
    assert agent.run_sync("Go", user=user).output == "caught AgentPermissionDenied"
    assert AgentExecution.objects.count() == 1


def test_child_that_failed_fails_again_on_replay(user):
    child = DjangoAgent("fails", permission=AUTHENTICATED, model=scripted())
    agent = boss(child, call("ask_carefully", what="x"))
    assert agent.run_sync("Go", user=user).output == "caught ExecutionFailed"
    assert AgentExecution.objects.get(agent_name="fails").status == "failed"
