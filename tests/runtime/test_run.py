"""Running an agent, and what is on record afterwards."""

from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone, translation
from pydantic import BaseModel
from pydantic_ai import ModelRetry, ToolFailed

from retinue import AUTHENTICATED, SYSTEM, DjangoAgent, DjangoDeps, RunContext
from retinue.errors import ExecutionFailed, IdempotencyConflict
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.testing import run_queued
from tests.scripted import call, returned, scripted
from tests.shop.models import Note
from tests.waiting import WAIT_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


class Mood(BaseModel):
    word: str
    score: float


def keeper(model, **options):
    agent = DjangoAgent("keeper", permission=AUTHENTICATED, model=model, **options)

    @agent.tool
    def add_note(ctx: RunContext[DjangoDeps], label: str) -> str:
        """Write a note."""
        Note.objects.create(execution=str(ctx.deps.execution_id), label=label, user=ctx.deps.user)
        return f"noted {label}"

    @agent.tool(retries=2)
    def add_and_say(ctx: RunContext[DjangoDeps], label: str, kind: str) -> str:
        """Write a note, then say something to the model."""
        Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
        raise {"failed": ToolFailed("no"), "retry": ModelRetry("again"), "error": RuntimeError("secret")}[kind]

    return agent


def test_run_records_each_step_once(user):
    agent = keeper(scripted([call("add_note", label="a")], "done"))
    result = agent.run_sync("Note it", user=user)
    assert result.output == "done"
    execution = AgentExecution.objects.get()
    assert execution.pk == result.execution.pk
    assert (execution.status, execution.output_data, execution.input_prompt) == ("completed", "done", "Note it")
    assert (execution.user, execution.principal_type, execution.principal_key) == (user, "user", str(user.pk))
    assert [(s.kind, s.key) for s in ExecutionStep.objects.all()] == [
        ("model", "model"),
        ("tool", "tool:add_note@1:c1"),
        ("model", "model#1"),
    ]
    assert list(Note.objects.values_list("label", "user")) == [("a", user.pk)]
    assert execution.tokens_used == result.tokens_used > 0
    assert execution.cost == 0  # a scripted model runs here
    assert execution.started_at <= execution.completed_at


@pytest.mark.parametrize("kind", ["failed", "retry"])
def test_tool_that_speaks_to_the_model_leaves_no_writes(user, kind):
    agent = keeper(scripted([call("add_and_say", label="a", kind=kind)], "done"))
    assert agent.run_sync("Note it", user=user).output == "done"
    assert Note.objects.count() == 0
    assert ExecutionStep.objects.get(kind="tool").content == {kind: "no" if kind == "failed" else "again"}


def test_tool_that_raises_fails_the_run_without_its_text(user):
    agent = keeper(scripted([call("add_and_say", label="a", kind="error")], "done"))
    with pytest.raises(ExecutionFailed) as caught:
        agent.run_sync("Note it", user=user)
    execution = AgentExecution.objects.get()
    assert caught.value.execution.pk == execution.pk
    assert (execution.status, execution.error_code) == ("failed", "error")
    assert execution.error_message == (
        "The run stopped with an unexpected error (RuntimeError); the log has the details."
    )
    assert Note.objects.count() == 0


def test_run_from_async_code(user):
    async def go():
        return await keeper(scripted("hello")).run("Hi", user=user)

    assert async_to_sync(go)().output == "hello"


def test_typed_output_is_stored_as_json(user):
    agent = keeper(scripted([call("final_result", word="glad", score=0.5)]), output_type=Mood)
    result = agent.run_sync("How is it?", user=user)
    assert result.output == Mood(word="glad", score=0.5)
    assert AgentExecution.objects.get().output_data == {"word": "glad", "score": 0.5}


def test_offline_model_costs_nothing(user):
    agent = DjangoAgent("plain", permission=AUTHENTICATED)
    result = agent.run_sync("Hello there", user=user)
    assert result.cost == Decimal(0)
    assert AgentExecution.objects.get().cost == Decimal(0)


def test_deps_reach_the_tools(user):
    class ShopDeps(DjangoDeps):
        pass

    agent = DjangoAgent("deps", permission=AUTHENTICATED, model=scripted([call("look")], lambda m: returned(m)[0]))

    @agent.tool(effects="none")
    async def look(ctx: RunContext[DjangoDeps]) -> str:
        found = await ctx.deps.get_user()
        return f"{found.get_username()} {ctx.deps.context['page']} {ctx.deps.agent_name}"

    deps = DjangoDeps(user_id=user.pk, context={"page": 3})
    assert agent.run_sync("Look", deps=deps).output == "ada 3 deps"
    assert deps.execution_id is None  # the caller's own deps are left alone


def test_async_database_tool_commits_with_its_step(user):
    agent = DjangoAgent("async", permission=AUTHENTICATED, model=scripted([call("add", label="a")], "done"))

    @agent.tool(effects="database")
    async def add(ctx: RunContext[DjangoDeps], label: str) -> int:
        await Note.objects.acreate(execution="x", label=label)
        return await Note.objects.acount()

    agent.run_sync("Go", user=user)
    assert ExecutionStep.objects.get(kind="tool").content == {"return": 1}
    assert Note.objects.count() == 1


def test_nul_characters_work_everywhere(user):
    agent = keeper(scripted([call("add_note", label="b")], lambda m: "a\x00b"))

    @agent.tool
    def nul(ctx: RunContext[DjangoDeps]) -> str:
        return "x\x00y"

    result = agent.run_sync("a\x00b", user=user)
    assert result.output == "a\x00b"
    execution = AgentExecution.objects.get()
    assert execution.given["prompt"] == "a\x00b"
    assert (execution.input_prompt, execution.output_data) == ("a\u2400b", "a\u2400b")


def test_idempotency_key_gives_the_same_execution(user):
    agent = keeper(scripted("one"))
    first = agent.run_sync("Hi", user=user, idempotency_key="k")
    second = agent.run_sync("Hi", user=user, idempotency_key="k")
    assert (second.output, second.execution.pk) == ("one", first.execution.pk)
    with pytest.raises(IdempotencyConflict):
        agent.run_sync("Other", user=user, idempotency_key="k")
    assert AgentExecution.objects.count() == 1


def test_idempotency_key_is_good_in_another_language(user):
    agent = keeper(scripted("one"))
    first = agent.run_sync("Hi", user=user, idempotency_key="k")
    with translation.override("de"), timezone.override("Asia/Tokyo"):
        second = agent.run_sync("Hi", user=user, idempotency_key="k")
    assert second.execution == first.execution


class Tenant:
    name = ""

    def capture(self):
        return self.name

    def restore(self, value):
        return nullcontext()


def test_idempotency_key_is_not_good_for_another_tenant(user, settings, monkeypatch):
    settings.RETINUE = {"CONTEXT": [f"{__name__}.Tenant"]}
    agent = keeper(scripted("one"))
    agent.run_sync("Hi", user=user, idempotency_key="k")
    monkeypatch.setattr(Tenant, "name", "another")
    with pytest.raises(IdempotencyConflict):
        agent.run_sync("Hi", user=user, idempotency_key="k")


def test_timeout_counts_the_work(user):
    agent = DjangoAgent("slow", permission=AUTHENTICATED, timeout=0.05, model=scripted([call("hang")], "done"))

    @agent.tool(effects="none")
    async def hang(ctx: RunContext[DjangoDeps]) -> str:
        import asyncio

        await asyncio.Event().wait()

    with pytest.raises(ExecutionFailed):
        agent.run_sync("Go", user=user)
    assert AgentExecution.objects.get().error_code == "timeout"


def test_max_cost_stops_before_the_next_request(user, settings):
    agent = keeper(scripted([call("add_note", label="a")], "done"), max_cost=Decimal(0))
    with pytest.raises(ExecutionFailed):
        agent.run_sync("Go", user=user)
    assert AgentExecution.objects.get().error_code == "max_cost"


def test_enqueue_runs_with_a_worker(user):
    from tests.shop.agents import clerk

    execution = clerk.enqueue("Hello", user=user)
    assert (execution.status, execution.started_at) == ("queued", None)
    with clerk.override(model=scripted("done")):
        (ran,) = run_queued()
    assert (ran.pk, ran.status, ran.output_data) == (execution.pk, "completed", "done")


def test_enqueue_for_later_is_not_run_now(user):
    from tests.shop.agents import clerk

    clerk.enqueue("Hello", user=user, run_after=timezone.now() + timedelta(hours=1))
    assert run_queued() == []


def test_system_principal_needs_no_user(db):
    result = DjangoAgent("system", model=scripted("done")).run_sync("Go", principal=SYSTEM)
    assert (result.execution.principal_type, result.execution.user_id) == ("system", None)


def test_external_tool_leaves_a_mark(user):
    agent = DjangoAgent("external", permission=AUTHENTICATED, model=scripted([call("send")], "done"))
    keys = []

    @agent.tool
    async def send(ctx: RunContext[DjangoDeps]) -> str:
        keys.append(ctx.deps.idempotency_key)
        return "sent"

    agent.run_sync("Go", user=user)
    assert [(s.kind, s.key) for s in ExecutionStep.objects.exclude(kind="model")] == [
        ("started", "tool:send@1:c1!0"),
        ("tool", "tool:send@1:c1"),
    ]
    assert len(keys) == 1 and len(keys[0]) == 32


@pytest.mark.parametrize("limit", ["agent", "tool"])
def test_busy_database_tool_does_not_hold_up_a_timeout(user, limit):
    """A body that goes on in its thread is cut off: its lane is replaced, its writes are undone."""
    import threading

    go_on, late = threading.Event(), threading.Event()
    agent = DjangoAgent(
        "busy",
        permission=AUTHENTICATED,
        timeout=0.2 if limit == "agent" else None,
        model=scripted([call("block")], "done"),
    )

    @agent.tool(timeout=0.2 if limit == "tool" else None)
    def block(ctx: RunContext[DjangoDeps]) -> str:
        Note.objects.create(execution="x", label="late")
        go_on.wait(WAIT_SECONDS)
        late.set()
        return "late"

    try:
        if limit == "agent":
            with pytest.raises(ExecutionFailed, match="longer than it may"):
                agent.run_sync("Go", user=user)
        else:
            assert agent.run_sync("Go", user=user).output == "done"
        assert not late.is_set()
    finally:
        go_on.set()
    assert Note.objects.count() == 0
