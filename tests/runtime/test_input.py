"""Bad input gets one clear sentence and leaves no row behind."""

import pytest
from django.contrib.auth.models import AnonymousUser
from pydantic_ai.models.test import TestModel

from retinue import AUTHENTICATED, SYSTEM, DjangoAgent, DjangoDeps
from retinue.agents.registry import get_agent
from retinue.errors import AgentPermissionDenied, ConfigurationError, InvalidInput, UnknownAgent
from retinue.executions.models import AgentExecution
from tests.scripted import scripted
from tests.shop.agents import clerk

pytestmark = pytest.mark.django_db(transaction=True)


def agent(**options):
    return DjangoAgent("some", permission=AUTHENTICATED, **{"model": scripted("done"), **options})


@pytest.mark.parametrize(
    ("prompt", "error", "sentence"),
    [
        ("", InvalidInput, "The prompt is empty."),
        (" \n", InvalidInput, "The prompt is empty."),
        ("x" * 100_001, InvalidInput, "The prompt has 100,001 characters; at most 100,000 are allowed."),
        (17, TypeError, "A prompt is a text, not a int."),
    ],
)
def test_prompt(user, prompt, error, sentence):
    for start in (agent().run_sync, clerk.enqueue):
        with pytest.raises(error) as caught:
            start(prompt, user=user)
        assert str(caught.value) == sentence
    assert AgentExecution.objects.count() == 0


def test_longest_prompt_works(user):
    assert agent().run_sync("x" * 100_000, user=user).output == "done"


def test_unknown_option(user):
    with pytest.raises(TypeError, match="toolsets cannot be given to a run: it would not survive a resume"):
        agent().run_sync("Go", user=user, toolsets=[])


def test_nobody(db):
    with pytest.raises(TypeError, match="give user=, deps= with a user_id, or principal="):
        agent().run_sync("Go")
    with pytest.raises(InvalidInput, match="anonymous"):
        agent().run_sync("Go", user=AnonymousUser())


def test_unknown_user(db):
    with pytest.raises(AgentPermissionDenied, match="There is no user '4711'"):
        agent().run_sync("Go", deps=DjangoDeps(user_id=4711))
    assert AgentExecution.objects.count() == 0


def test_missing_key(user, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="set the environment variable OPENAI_API_KEY"):
        agent(model="openai:gpt-5-mini").run_sync("Go", user=user)
    assert AgentExecution.objects.count() == 0


def test_unknown_model(user):
    with pytest.raises(ConfigurationError, match="'nobody:nothing'"):
        agent(model="nobody:nothing").run_sync("Go", user=user)


def test_unknown_agent_names_near_ones():
    with pytest.raises(UnknownAgent, match=r"Did you mean clerk\?"):
        get_agent("clerks")


def test_agent_outside_agents_modules_is_not_enqueued(user):
    with pytest.raises(ConfigurationError, match="no worker would find it"):
        agent().enqueue("Go", user=user)


def test_model_instance_is_not_enqueued(user):
    with pytest.raises(TypeError, match="by its name"):
        clerk.enqueue("Go", user=user, model=TestModel())


def test_deps_that_cannot_be_stored(user):
    with pytest.raises(InvalidInput, match=r"DjangoDeps\.context cannot be stored"):
        agent().run_sync("Go", deps=DjangoDeps(user_id=user.pk, context={"a": object()}))


def test_deps_type_must_be_ours():
    with pytest.raises(TypeError, match="not a subclass of DjangoDeps"):
        agent(deps_type=dict)


def test_output_that_cannot_be_stored(user):
    from retinue.errors import ExecutionFailed

    class Thing:
        pass

    def make() -> Thing:
        """Make it."""
        return Thing()

    from tests.scripted import call

    with pytest.raises(ExecutionFailed, match="cannot be stored as JSON"):
        agent(output_type=[make], model=scripted([call("final_result")])).run_sync("Go", principal=SYSTEM)
    assert AgentExecution.objects.get().error_code == "invalid_input"


def test_pydantic_ai_entries_are_closed(user):
    from pydantic_ai.exceptions import UserError

    async def go():
        async with agent().iter("Go"):
            pass

    from asgiref.sync import async_to_sync

    with pytest.raises(UserError, match="run, run_sync, stream and enqueue"):
        async_to_sync(go)()
