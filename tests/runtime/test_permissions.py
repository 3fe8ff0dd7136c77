"""A permission that is taken away is refused at every edge."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from retinue import AUTHENTICATED, PUBLIC, SYSTEM, DjangoAgent, DjangoDeps, Principal, RunContext
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.errors import AgentPermissionDenied, ExecutionFailed, ExecutionWaiting
from retinue.executions.models import AgentExecution
from retinue.testing import run_queued
from tests.conftest import permission
from tests.scripted import call, returned, scripted
from tests.shop.models import Note

pytestmark = pytest.mark.django_db(transaction=True)
RUN, USE = "shop.view_product", "shop.change_product"


def said(messages):
    return str(messages[-1].parts[0].content)


def changer(*turns, effects="database", **policy):
    agent = DjangoAgent("changer", permission=RUN, model=scripted(*turns))

    @agent.tool(permission=USE, effects=effects, **policy)
    async def change(ctx: RunContext[DjangoDeps]) -> str:
        await Note.objects.acreate(execution="x", label="changed")
        return "changed"

    return agent


def revoke_now(user, name):
    get_user_model().objects.get(pk=user.pk).user_permissions.remove(permission(name))


@pytest.mark.parametrize(
    ("needed", "allowed"),
    [
        (None, {"superuser", "system"}),
        (PUBLIC, {"guest", "plain", "holder", "superuser", "system"}),
        (AUTHENTICATED, {"plain", "holder", "superuser", "system"}),
        (RUN, {"holder", "superuser", "system"}),
    ],
)
def test_who_may_run(db, grant, needed, allowed):
    users = get_user_model().objects
    holder = users.create_user("holder")
    group = Group.objects.create(name="viewers")
    group.permissions.add(permission(RUN))
    holder.groups.add(group)
    principals = {
        "guest": Principal.guest("visitor"),
        "plain": Principal.of(users.create_user("plain")),
        "inactive": Principal.of(users.create_user("inactive", is_active=False, is_superuser=True)),
        "gone": Principal(type="user", key="999999"),
        "holder": Principal.of(holder),
        "superuser": Principal.of(users.create_superuser("root")),
        "system": SYSTEM,
    }
    agent = DjangoAgent("some", permission=needed, model=scripted("done"))
    ran = set()
    for name, principal in principals.items():
        try:
            agent.run_sync("Go", principal=principal)
            ran.add(name)
        except AgentPermissionDenied:
            pass
    assert ran == allowed
    assert AgentExecution.objects.count() == len(allowed)  # a refused run leaves no row


def test_tool_is_not_offered_without_its_permission(user, grant):
    grant(user, RUN)
    offered = []

    def look(messages):
        return "done"

    agent = changer(look)
    agent_model = agent.model
    original = agent_model.function

    def spy(messages, info):
        offered.extend(tool.name for tool in info.function_tools)
        return original(messages, info)

    agent_model.function = spy
    agent.run_sync("Go", user=user)
    assert offered == []
    grant(user, USE)
    agent.run_sync("Go", user=user)
    assert offered == ["change"]


@pytest.mark.parametrize("effects", ["database", "external", "none"])
def test_taken_away_between_offer_and_call(user, grant, effects):
    grant(user, RUN, USE)

    def answer(messages):
        revoke_now(user, USE)
        return [call("change")]

    from asgiref.sync import sync_to_async
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    async def model(messages, info):
        if len(messages) == 1:
            return ModelResponse(parts=await sync_to_async(answer)(messages))
        return ModelResponse(parts=[TextPart(said(messages))])

    agent = changer(effects=effects)
    with agent.override(model=FunctionModel(model)):
        result = agent.run_sync("Go", user=user)
    assert result.output == "The user has no permission to use change."
    assert Note.objects.count() == 0


def test_taken_away_between_two_calls_is_not_offered_again(user, grant):
    grant(user, RUN, USE)
    from asgiref.sync import sync_to_async
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    offers = []

    async def model(messages, info):
        offers.append([tool.name for tool in info.function_tools])
        if len(messages) == 1:
            return ModelResponse(parts=[call("change")])
        if len(messages) == 3:
            await sync_to_async(revoke_now)(user, USE)
            return ModelResponse(parts=[call("other")])
        return ModelResponse(parts=[TextPart("done")])

    agent = changer()

    @agent.tool
    def other(ctx: RunContext[DjangoDeps]) -> str:
        return "x"

    with agent.override(model=FunctionModel(model)):
        agent.run_sync("Go", user=user)
    assert offers == [["change", "other"], ["change", "other"], ["other"]]


def test_taken_away_between_request_and_approval(user, grant):
    grant(user, RUN, USE)
    agent = changer([call("change")], said, approval=True)
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    approve(Approval.objects.get(), by=user)
    revoke_now(user, USE)
    (ran,) = run_queued(agent)
    assert (ran.status, Note.objects.count()) == ("completed", 0)
    assert "change" in ran.output_data


@pytest.mark.parametrize("loss", ["permission", "inactive", "deleted"])
def test_taken_away_between_crash_and_resume(user, grant, loss):
    grant(user, RUN, USE)
    agent = changer([call("change")], "done", approval=True)
    with pytest.raises(ExecutionWaiting):
        agent.run_sync("Go", user=user)
    approve(Approval.objects.get(), by=user)
    match loss:
        case "permission":
            revoke_now(user, RUN)
        case "inactive":
            get_user_model().objects.filter(pk=user.pk).update(is_active=False)
        case "deleted":
            get_user_model().objects.get(pk=user.pk).delete()
    (ran,) = run_queued(agent)
    assert (ran.status, ran.error_code, Note.objects.count()) == ("failed", "permission_denied", 0)


def test_taken_away_between_enqueue_and_start(user, grant):
    from tests.shop.agents import warden

    with pytest.raises(AgentPermissionDenied):
        warden.enqueue("Go", user=user)
    grant(user, RUN)
    warden.enqueue("Go", user=user)
    revoke_now(user, RUN)
    (ran,) = run_queued()
    assert (ran.status, ran.error_code) == ("failed", "permission_denied")


def test_backend_of_the_site_has_its_say(user, settings):
    settings.AUTHENTICATION_BACKENDS = ["tests.shop.backends.Generous"]
    agent = changer([call("change")], lambda m: returned(m)[0])
    assert agent.run_sync("Go", user=user).output == "changed"


def test_system_does_what_the_settings_say(db, settings):
    settings.RETINUE = {"SYSTEM_PERMISSIONS": [RUN]}
    agent = changer(lambda m: "done")
    assert agent.run_sync("Go", principal=SYSTEM).output == "done"
    settings.RETINUE = {"SYSTEM_PERMISSIONS": []}
    with pytest.raises(AgentPermissionDenied):
        agent.run_sync("Go", principal=SYSTEM)


def test_failed_run_raises_its_sentence(user):
    with pytest.raises(ExecutionFailed, match="unexpected error"):
        DjangoAgent("broken", permission=AUTHENTICATED, model=scripted()).run_sync("Go", user=user)
