"""A run whose process died goes on from what was recorded, and asks nothing of that again."""

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError
from django.test import RequestFactory
from django.utils import timezone, translation
from pydantic import BaseModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.deps import RequestSnapshot
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.errors import ExecutionWaiting
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime import points
from retinue.testing import run_queued
from tests.death import Death, Died, after_steps, at, died, orphaned, resumed
from tests.scripted import call, prompt_of, returned, scripted
from tests.shop.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


# --- one run with everything in it, which dies at each point


class Everything:
    """Two parallel tools, a delegation, an external call, an approval; what is asked and done is counted."""

    def __init__(self):
        self.asked = []
        self.sent = []
        child = DjangoAgent(
            "child",
            permission=AUTHENTICATED,
            model=self.model("child", lambda m: [call("note", label=prompt_of(m))], lambda m: f"did {prompt_of(m)}"),
        )
        self.agent = DjangoAgent(
            "everything",
            permission=AUTHENTICATED,
            model=self.model(
                "root",
                [call("note", "a", label="first"), call("note", "b", label="second"), call("delegate", "c")],
                [call("send", "d"), call("sign", "e")],
                lambda m: " ".join(map(str, returned(m))),
            ),
        )

        def note(ctx: RunContext[DjangoDeps], label: str) -> str:
            Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
            return label

        child.tool(note)
        self.agent.tool(note)

        @self.agent.tool(effects="delegate")
        async def delegate(ctx: RunContext[DjangoDeps]) -> str:
            return (await child.run("third")).output

        @self.agent.tool(on_uncertain="retry")
        async def send(ctx: RunContext[DjangoDeps]) -> str:
            self.sent.append(ctx.deps.idempotency_key)
            return "sent"

        @self.agent.tool(approval=True)
        def sign(ctx: RunContext[DjangoDeps]) -> str:
            Note.objects.create(execution=str(ctx.deps.execution_id), label="signed")
            return "signed"

    def model(self, name, *turns):
        return scripted(*(self.turn(name, number, turn) for number, turn in enumerate(turns)))

    def turn(self, name, number, turn):
        def ask(messages):
            self.asked.append((name, number))
            return turn(messages) if callable(turn) else turn

        return ask

    def live(self, user, death):
        """Run to the end through as many lives as that takes."""
        with at(death), suppress(Died, ExecutionWaiting):
            self.agent.run_sync("Go", user=user)
        points.hook = death
        for _ in range(6):
            execution = AgentExecution.objects.filter(parent=None).first()
            if execution is not None and execution.is_final:
                return execution
            if death.dead:
                death.dead = False
                recorded = self.recorded()
                asked = len(self.asked)
                if execution is None:  # it died before anything was stored
                    with suppress(Died, ExecutionWaiting):
                        self.agent.run_sync("Go", user=user)
                else:
                    orphaned()
                    self.go_on()
                assert recorded.isdisjoint(self.asked[asked:])
                continue
            for approval in Approval.objects.pending():
                approve(approval, by=user)
            self.go_on()
        raise AssertionError(f"It did not come to an end: {death.reached}")

    def go_on(self):
        with suppress(Died):
            run_queued(self.agent)

    def recorded(self):
        """The requests that have an answer in the journal."""
        steps = ExecutionStep.objects.filter(kind="model").select_related("execution")
        names = {"everything": "root", "child": "child"}
        return {(names[s.execution.agent_name], int(s.key.partition("#")[2] or 0)) for s in steps}


@pytest.fixture
def reached(user):
    """How often each point is reached where nothing happens."""
    death = Death()
    try:
        execution = Everything().live(user, death)
    finally:
        points.hook = None
    assert execution.output_data == "sent signed"
    empty()
    return {point: death.reached.count(point) for point in points.ALL}


def empty():
    AgentExecution.objects.all().delete()
    Note.objects.all().delete()


@pytest.mark.parametrize("point", points.ALL)
def test_death_at_each_point(user, reached, point):
    assert reached[point] > 0
    for number in range(1, reached[point] + 1):
        everything = Everything()
        try:
            execution = everything.live(user, Death(point, number))
        finally:
            points.hook = None
        place = f"{point} {number}"
        assert (execution.status, execution.output_data) == ("completed", "sent signed"), place
        labels = sorted(Note.objects.values_list("label", flat=True))
        assert labels == ["first", "second", "signed", "third"], place
        assert len(set(everything.sent)) == 1, place  # a service could tell a second try by its key
        keys = [(step.execution_id, step.key) for step in ExecutionStep.objects.exclude(kind="started")]
        assert len(keys) == len(set(keys)) == 11, place
        assert AgentExecution.objects.count() == 2, place
        assert Approval.objects.count() == 1, place
        empty()


@pytest.mark.parametrize(("point", "tries"), [(points.BEFORE_TOOL_COMMIT, 2), (points.AFTER_TOOL_COMMIT, 1)])
def test_connection_that_breaks_at_the_commit_of_a_tool(user, point, tries):
    """Whether the commit went through is read from the journal; the tool takes effect once either way."""
    tried, broken = [], []
    agent = versions(scripted([call("add")], "done"))

    @agent.tool
    def add(ctx: RunContext[DjangoDeps]) -> str:
        tried.append(1)
        Note.objects.create(execution="x", label="added")
        return "added"

    def hook(reached):
        if reached == point and not broken:
            broken.append(1)
            raise OperationalError("server closed the connection unexpectedly")

    with at(hook):
        assert agent.run_sync("Go", user=user).output == "done"
    assert (len(tried), Note.objects.count()) == (tries, 1)


# --- what a replay compares


def versions(model, **options):
    return DjangoAgent("changing", permission=AUTHENTICATED, model=model, **options)


def test_other_arguments_diverge(user):
    """The same call, but the code of the tool has another default by now."""
    model = scripted([call("add", "c7")], "never")

    def agent(amount):
        made = versions(model)

        @made.tool(effects="none")
        async def add(ctx: RunContext[DjangoDeps], by: int = amount) -> int:
            return by

        return made

    died(agent(1), user, steps=2)
    ran = resumed(agent(2))
    assert (ran.status, ran.error_code) == ("failed", "replay_diverged")
    assert ran.error_message.startswith("The step tool:add@1:c7 of 'changing' was recorded for another question")


def test_other_prompt_diverges(user):
    """The history that the model is asked with reads something that changed."""
    model = scripted([call("look")], "never")
    today = ["Monday"]

    def agent():
        made = versions(model)

        @made.system_prompt
        def day() -> str:
            return f"It is {today[0]}."

        @made.tool(effects="none")
        async def look(ctx: RunContext[DjangoDeps]) -> str:
            return "x"

        return made

    died(agent(), user, steps=1)
    today[0] = "Tuesday"
    ran = resumed(agent())
    assert (ran.status, ran.error_code) == ("failed", "replay_diverged")
    assert ran.error_message.startswith("The step model of 'changing' was recorded")


def test_divergence_names_the_step_of_a_child(user):
    letter = ["x"]
    child = DjangoAgent("child", permission=AUTHENTICATED, model=scripted([call("look", "k")], "done"))

    @child.system_prompt
    def prompt() -> str:
        return letter[0]

    @child.tool(effects="none")
    async def look(ctx: RunContext[DjangoDeps]) -> str:
        return "seen"

    agent = versions(scripted([call("ask")], "done"))

    @agent.tool(effects="delegate")
    async def ask(ctx: RunContext[DjangoDeps]) -> str:
        return (await child.run("Look", key="eyes")).output

    died(agent, user, steps=2)
    letter[0] = "y"
    ran = resumed(agent)
    assert ran.status == "failed"
    assert "/tool:ask@1:c1/child[eyes]/model" in AgentExecution.objects.get(parent=ran).error_message


def test_changed_definition_is_noted_and_goes_on(user):
    asked = []
    model = scripted([call("look")], "done", asked=asked)

    def agent(instructions):
        made = versions(model, instructions=instructions)

        @made.tool(effects="none")
        async def look(ctx: RunContext[DjangoDeps]) -> str:
            return "x"

        return made

    before, after = agent("Be brief."), agent("Be long.")
    died(before, user, steps=2)
    ran = resumed(after)
    assert (ran.status, ran.output_data, asked) == ("completed", "done", [0, 1])
    note = ExecutionStep.objects.get(kind="note")
    assert (note.name, note.content) == ("definition changed", {"from": before.digest, "to": after.digest})


def test_changed_definition_is_noted_once(user):
    def agent(instructions):
        made = versions(scripted([call("look")], [call("look", "c2")], "done"), instructions=instructions)

        @made.tool(effects="none")
        async def look(ctx: RunContext[DjangoDeps]) -> str:
            return "x"

        return made

    died(agent("one"), user, steps=1)
    with at(Death(points.RESUMED, 1)), pytest.raises(Died):
        run_queued(agent("two"))
    orphaned()
    with at(after_steps(4)), pytest.raises(Died):
        run_queued(agent("two"))
    orphaned()
    assert resumed(agent("two")).status == "completed"
    assert ExecutionStep.objects.filter(kind="note").count() == 1


def test_changed_definition_can_be_refused(user, settings):
    settings.RETINUE = {"RESUME_CHANGED": "fail"}

    def agent(instructions):
        made = versions(scripted([call("look")], "done"), instructions=instructions)

        @made.tool(effects="none")
        async def look(ctx: RunContext[DjangoDeps]) -> str:
            return "x"

        return made

    died(agent("one"), user, steps=1)
    ran = resumed(agent("two"))
    assert (ran.status, ran.error_code) == ("failed", "configuration")
    assert ran.error_message == "The definition of 'changing' changed since the run began."


def test_same_definition_is_no_change(user):
    agent = versions(scripted([call("look")], "done"), instructions="the same")

    @agent.tool(effects="none")
    async def look(ctx: RunContext[DjangoDeps]) -> str:
        return "x"

    died(agent, user, steps=1)
    assert resumed(agent).status == "completed"
    assert not ExecutionStep.objects.filter(kind="note").exists()


# --- what a run remembers of its start


class Address(BaseModel):
    city: str
    since: date


@dataclass(kw_only=True)
class ShopDeps(DjangoDeps):
    shop: UUID
    discount: Decimal = Decimal(0)
    address: Address | None = None
    tags: list[str] = field(default_factory=list)


def test_deps_are_rebuilt_with_their_types(user):
    seen, requests = [], []
    agent = DjangoAgent(
        "typed", permission=AUTHENTICATED, deps_type=ShopDeps, model=scripted([call("look")], [call("look", "b")], "ok")
    )

    @agent.tool(effects="none")
    async def look(ctx: RunContext[ShopDeps]) -> str:
        deps = ctx.deps
        seen.append((deps.user_id, deps.shop, deps.discount, deps.address, deps.tags, deps.context))
        requests.append((type(deps.request), deps.request.method, deps.request.path))
        return "x"

    request = RequestFactory(headers={"user-agent": "tests"}).get("/shop/?page=2")
    given = ShopDeps(
        user_id=user.pk,
        request=request,
        context={"page": 2},
        shop=UUID(int=7),
        discount=Decimal("0.10"),
        address=Address(city="Köln", since=date(2020, 2, 29)),
        tags=["a", "b"],
    )
    died(agent, None, steps=3, deps=given)
    assert resumed(agent).status == "completed"
    assert len(seen) == 2 and seen[0] == seen[1]
    assert requests == [(WSGIRequest, "GET", "/shop/"), (RequestSnapshot, "GET", "/shop/")]


def test_language_and_time_zone_are_restored(user):
    seen = []
    agent = versions(scripted([call("look"), call("look_sync", "c2")], "done"))

    @agent.tool(effects="none")
    async def look(ctx: RunContext[DjangoDeps]) -> str:
        seen.append(("async", translation.get_language(), timezone.get_current_timezone_name()))
        return "x"

    @agent.tool
    def look_sync(ctx: RunContext[DjangoDeps]) -> str:
        seen.append(("sync", translation.get_language(), timezone.get_current_timezone_name()))
        return "x"

    before = translation.get_language()
    with translation.override("de"), timezone.override("Asia/Tokyo"):
        died(agent, user, steps=0)
    assert resumed(agent).status == "completed"
    assert sorted(seen) == [("async", "de", "Asia/Tokyo"), ("sync", "de", "Asia/Tokyo")]
    assert translation.get_language() == before


class Tenant:
    """A context hook of a site's own."""

    current = None

    def capture(self):
        return {"tenant": Tenant.current}

    @contextmanager
    def restore(self, value):
        before, Tenant.current = Tenant.current, value["tenant"]
        try:
            yield
        finally:
            Tenant.current = before


def test_context_hook_of_the_site(user, settings):
    settings.RETINUE = {"CONTEXT": ["tests.runtime.test_replay.Tenant"]}
    agent = versions(scripted([call("look")], lambda m: returned(m)[0]))

    @agent.tool(effects="none")
    async def look(ctx: RunContext[DjangoDeps]) -> str:
        return str(Tenant.current)

    Tenant.current = "acme"
    try:
        died(agent, user, steps=0)
    finally:
        Tenant.current = None
    assert resumed(agent).output_data == "acme"
    assert Tenant.current is None
