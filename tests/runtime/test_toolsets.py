"""Tools from toolsets and MCP servers: their policy holds, and their calls are journaled, as an agent's own."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from pydantic_ai import FunctionToolset
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.toolsets import DynamicToolset

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, ModelRetry, ToolPolicy
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.errors import ExecutionWaiting
from retinue.executions.models import ExecutionStep
from retinue.runtime import points
from tests.death import Death, Died, at, orphaned, resumed
from tests.scripted import call, prompt_of, returned, scripted
from tests.shop.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


def wipe() -> str:
    """Wipe everything."""
    Note.objects.create(execution="x", label="wiped")
    return "wiped"


def wiper(**policy):
    tools = FunctionToolset([wipe], id="dangerous").with_metadata(retinue=ToolPolicy(**policy))
    model = scripted([call("wipe")], lambda messages: str(messages[-1].parts[0].content))
    return DjangoAgent("wiper", permission=AUTHENTICATED, model=model, toolsets=[tools])


@pytest.mark.parametrize("rule", [True, lambda ctx: True])
def test_approval_is_asked_for(user, rule):
    with pytest.raises(ExecutionWaiting):
        wiper(approval=rule).run_sync("Go", user=user)
    assert (Approval.objects.count(), Note.objects.count()) == (1, 0)


def test_pydantic_ais_own_way_to_ask(user):
    tools = FunctionToolset([wipe], id="dangerous").approval_required()
    agent = DjangoAgent("wiper", permission=AUTHENTICATED, model=scripted([call("wipe")], "done"), toolsets=[tools])
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    assert (Approval.objects.count(), Note.objects.count()) == (1, 0)


def test_holder_of_its_permission_may_use_it(user, grant):
    grant(user, "shop.delete_product")
    assert wiper(permission="shop.delete_product").run_sync("Go", user=user).output == "wiped"


def test_without_its_permission_it_is_not_offered(user):
    assert wiper(permission="shop.delete_product").run_sync("Go", user=user).output.startswith("Unknown tool name")
    assert Note.objects.count() == 0


@pytest.mark.parametrize(
    ("effects", "kinds"),
    [("database", ["model", "tool", "model"]), ("external", ["model", "started", "tool", "model"])],
)
def test_effects_hold(user, effects, kinds):
    wiper(effects=effects).run_sync("Go", user=user)
    assert [step.kind for step in ExecutionStep.objects.all()] == kinds


# --- each call is journaled once, whatever toolset it comes from


def look(name: str) -> str:
    """Look at something."""
    seen.append(name)
    return f"saw {name}"


seen: list[str] = []


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()


def plain():
    return FunctionToolset([look], id="eyes")


def dynamic():
    return DynamicToolset(lambda ctx: plain(), id="eyes")


def prefixed():
    return plain().prefixed("x").renamed({"look": "x_look"})


def read_only():
    return plain().prefixed("x").renamed({"look": "x_look"}).with_metadata(retinue=ToolPolicy(effects="none"))


def served():
    """A real MCP server, in this process."""
    server = MCPServer("eyes")
    server.tool()(look)
    return MCPToolset(server, id="eyes")


def fatal_model(messages):
    """The process dies in the second request, so that everything before it is replayed."""
    if not lives:
        lives.append(1)
        raise Died
    return str(returned(messages)[0])


lives: list[int] = []


@pytest.mark.parametrize("toolset", [plain, dynamic, prefixed, served])
def test_counts_as_external_and_is_called_once(user, toolset):
    lives.clear()
    model = scripted([call("look", name="lamp")], fatal_model)
    agent = DjangoAgent("looker", permission=AUTHENTICATED, model=model, toolsets=[toolset()])
    with pytest.raises(Died):
        agent.run_sync("Go", user=user)
    orphaned()
    ran = resumed(agent)
    assert (ran.status, ran.output_data) == ("completed", "saw lamp")
    assert seen == ["lamp"]
    assert [(step.kind, step.key) for step in ExecutionStep.objects.exclude(kind="model")] == [
        ("started", "tool:look@1:c1!0"),
        ("tool", "tool:look@1:c1"),
    ]


@pytest.mark.parametrize("toolset", [plain, served])
def test_interrupted_call_asks_a_person(user, toolset):
    model = scripted([call("look", name="lamp")], lambda m: str(returned(m)[0]))
    agent = DjangoAgent("looker", permission=AUTHENTICATED, model=model, toolsets=[toolset()])
    with at(Death(points.AFTER_STARTED_MARK, 1)), pytest.raises(Died):
        agent.run_sync("Go", user=user)
    orphaned()
    assert resumed(agent).status == "waiting"
    approval = Approval.objects.get()
    assert (approval.reason, approval.arguments, seen) == ("uncertain", {"name": "lamp"}, [])
    approve(approval, by=user)
    assert resumed(agent).output_data == "saw lamp"
    assert seen == ["lamp"]


def test_policy_reaches_through_wrappers(user):
    model = scripted([call("look", name="lamp")], "done")
    agent = DjangoAgent("looker", permission=AUTHENTICATED, model=model, toolsets=[read_only()])
    agent.run_sync("Go", user=user)
    assert [step.kind for step in ExecutionStep.objects.all()] == ["model", "tool", "model"]


def test_toolset_in_a_transaction(user):
    """A function of a toolset may ask for the transaction that an agent's own tool has."""

    def write(label: str) -> str:
        """Write a note."""
        Note.objects.create(execution="x", label=label)
        if label == "bad":
            raise ModelRetry("Not this one.")
        return label

    tools = FunctionToolset([write], id="pen").prefixed("my").with_metadata(retinue=ToolPolicy(effects="database"))
    turns = [call("my_write", "a", label="bad"), call("my_write", "b", label="good")]
    agent = DjangoAgent("writer", permission=AUTHENTICATED, model=scripted(turns, "done"), toolsets=[tools])
    agent.run_sync("Go", user=user)
    assert list(Note.objects.values_list("label", flat=True)) == ["good"]


def test_dynamic_toolset_depends_on_the_run(user):
    def tools(ctx):
        return FunctionToolset([look], id="eyes") if ctx.deps.context.get("see") else None

    model = scripted([call("look", name="lamp")], lambda m: str(m[-1].parts[0].content))
    agent = DjangoAgent("looker", permission=AUTHENTICATED, model=model, toolsets=[DynamicToolset(tools, id="maybe")])
    given = {see: DjangoDeps(user_id=user.pk, context={"see": see}) for see in (True, False)}
    assert agent.run_sync("Go", deps=given[True]).output == "saw lamp"
    assert agent.run_sync("Go", deps=given[False]).output.startswith("Unknown tool name")


def test_mcp_server_that_fails_tells_the_model(user):
    server = MCPServer("eyes")

    @server.tool()
    def stumble() -> str:
        """Stumble."""
        raise ToolError("no light")

    model = scripted([call("stumble")], lambda m: str(m[-1].parts[0].content))
    agent = DjangoAgent(
        "looker", permission=AUTHENTICATED, model=model, toolsets=[MCPToolset(server, id="eyes")], retries=2
    )
    assert "no light" in agent.run_sync("Go", user=user).output
    assert list(ExecutionStep.objects.get(kind="tool").content) == ["retry"]


def test_structured_results_of_an_mcp_server(user):
    server = MCPServer("shop")

    class Product(BaseModel):
        name: str
        price: float

    @server.tool()
    def find(name: str) -> Product:
        """Find a product."""
        return Product(name=name, price=1.5)

    lives.clear()
    model = scripted([call("find", name="lamp")], fatal_model)
    agent = DjangoAgent("shopper", permission=AUTHENTICATED, model=model, toolsets=[MCPToolset(server, id="shop")])
    with pytest.raises(Died):
        agent.run_sync("Go", user=user)
    orphaned()
    assert resumed(agent).output_data == "{'name': 'lamp', 'price': 1.5}"


def test_runs_share_an_mcp_server(user):
    agent = DjangoAgent(
        "looker",
        permission=AUTHENTICATED,
        model=scripted(lambda m: [call("look", name=prompt_of(m))], lambda m: str(returned(m)[0])),
        toolsets=[served()],
    )

    @async_to_sync
    async def go():
        return await asyncio.gather(*(agent.run(f"p{number}", user=user) for number in range(20)))

    assert [result.output for result in go()] == [f"saw p{number}" for number in range(20)]
    assert sorted(seen) == sorted(f"p{number}" for number in range(20))
