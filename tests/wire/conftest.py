"""Agents whose models are asked over HTTP, by the providers' own client libraries."""

from contextlib import contextmanager

import pytest

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.errors import ExecutionFailed
from retinue.providers import retries
from retinue.testing import allow_model_requests
from tests.wire.server import providing

MODELS = {
    "responses": "openai:gpt-5-mini",
    "chat": "openai-chat:gpt-5-mini",
    "anthropic": "anthropic:claude-haiku-4-5",
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Where a provider names no pause there is none."""
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0)


@pytest.fixture(params=MODELS)
def model(request):
    """The model that speaks each of the three wires."""
    return MODELS[request.param]


@pytest.fixture
def asked_of(settings, monkeypatch):
    """An agent whose model is asked of a provider that gives these turns."""
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")

    @contextmanager
    def asked(model, *turns, **more):
        with providing(*turns) as provider, allow_model_requests():
            settings.RETINUE = {"MODELS": {"asked": {"model": model, "base_url": address(provider, model), **more}}}
            yield pricer("asked"), provider

    return asked


def address(provider, model):
    """As each of the client libraries wants it."""
    return provider.url if model.startswith("anthropic:") else f"{provider.url}/v1"


def pricer(model):
    """An agent with one tool, which takes a whole number."""
    agent = DjangoAgent("pricer", model=model, permission=AUTHENTICATED)

    @agent.tool
    def price_of(ctx: RunContext[DjangoDeps], product: int) -> str:
        """The price of a product."""
        return f"{product}.50"

    return agent


def failing(agent, user, prompt="How much?"):
    """The execution of a run that fails."""
    with pytest.raises(ExecutionFailed) as failed:
        agent.run_sync(prompt, user=user)
    execution = failed.value.execution
    execution.refresh_from_db()
    return execution


def steps_of(execution):
    return [(step.kind, step.key) for step in execution.steps.order_by("pk")]
