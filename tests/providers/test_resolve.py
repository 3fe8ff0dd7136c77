"""From a name to a model: pydantic-ai's names, the site's own, and what is said of one that cannot be used."""

import subprocess
import sys

import pytest
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.test import TestModel

from retinue import AUTHENTICATED, DjangoAgent
from retinue.errors import ConfigurationError
from retinue.providers.offline import OfflineModel
from retinue.providers.prsm import PRSMModel
from retinue.providers.resolve import resolve_model
from retinue.providers.served import ModelChain, ServedModel


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another-key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def refusal(name):
    with pytest.raises(ConfigurationError) as refused:
        resolve_model(name)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openai:gpt-5-mini", OpenAIResponsesModel),
        ("openai-chat:gpt-5-mini", OpenAIChatModel),
        ("anthropic:claude-haiku-4-5", AnthropicModel),
    ],
)
def test_names_of_pydantic_ai(settings, name, kind):
    settings.RETINUE = {"MODEL_TIMEOUT": 7, "MODEL_RETRIES": 1}
    model = resolve_model(name)
    assert type(model) is ServedModel and type(model.wrapped) is kind
    assert (model.model_name, model.timeout, model.retries) == (name.partition(":")[2], 7, 1)


def test_models_that_run_here_are_asked_directly(settings):
    assert type(resolve_model("test")) is TestModel
    assert type(resolve_model("offline:default")) is OfflineModel
    settings.RETINUE = {"MODELS": {"fast": "offline:default"}}
    assert type(resolve_model("fast")) is OfflineModel


def test_prsm_is_asked_directly(settings):
    settings.RETINUE = {"PRSM": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "a-key"}}
    model = resolve_model("prsm:default")
    assert (type(model), model.model_name) == (PRSMModel, "default")


def test_inner_alias_goes_before_the_outer_one(settings):
    settings.RETINUE = {
        "MODELS": {
            "quick": {"model": "openai:gpt-5-mini", "timeout": 5, "settings": {"temperature": 0.1, "seed": 3}},
            "outer": {"model": "quick", "timeout": 60, "retries": 9, "settings": {"seed": 4, "top_p": 0.5}},
        }
    }
    model = resolve_model("outer")
    assert (model.timeout, model.retries) == (5, 9)
    assert model.settings == {"temperature": 0.1, "seed": 3, "top_p": 0.5}
    assert model.given_names == ("openai:gpt-5-mini", "quick", "outer")


def test_chain_has_all_models_in_their_order(settings):
    settings.RETINUE = {
        "MODELS": {
            "smart": {"models": ["anthropic:claude-sonnet-4-5", "cheap", "offline:default"], "timeout": 30},
            "cheap": {"models": ["openai:gpt-5-mini", "openai:gpt-5-nano"]},
        }
    }
    chain = resolve_model("smart")
    assert type(chain) is ModelChain
    assert [model.model_name for model in chain.models] == [
        "claude-sonnet-4-5",
        "gpt-5-mini",
        "gpt-5-nano",
        "default",
    ]
    assert [model.timeout for model in chain.models[:3]] == [30, 30, 30]


def test_other_settings_make_other_models(settings):
    settings.RETINUE = {"MODELS": {"fast": "openai:gpt-5-mini"}}
    first = resolve_model("fast")
    assert resolve_model("fast") is first
    settings.RETINUE = {"MODELS": {"fast": "openai:gpt-5-nano"}}
    assert resolve_model("fast").model_name == "gpt-5-nano"


@pytest.mark.django_db(transaction=True)
def test_alias_goes_wherever_a_name_goes(settings, user):
    settings.RETINUE = {"MODELS": {"fast": "offline:default", "site": "fast"}, "MODEL": "site"}
    for agent, options in (
        (DjangoAgent("by_site", permission=AUTHENTICATED), {}),
        (DjangoAgent("by_agent", permission=AUTHENTICATED, model="fast"), {}),
        (DjangoAgent("by_run", permission=AUTHENTICATED, model="openai:gpt-5-mini"), {"model": "fast"}),
    ):
        result = agent.run_sync("Good day.", user=user, **options)
        assert result.execution.steps.get().name == "offline:default"


# --- addresses and keys


def test_provider_at_another_address_keeps_its_wire(settings, monkeypatch):
    monkeypatch.setenv("PROXY_KEY", "a-third-key")
    proxy = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "PROXY_KEY"}
    settings.RETINUE = {"MODELS": {"proxied": {"model": "anthropic:claude-haiku-4-5", **proxy}}}
    model = resolve_model("proxied")
    assert (type(model.wrapped), model.base_url, model.is_own_server) == (
        AnthropicModel,
        "http://127.0.0.1:9/v1/",
        False,
    )
    assert model.client.api_key == "a-third-key"


@pytest.mark.parametrize("name", ["llama3.2", "llama3.2:1b", "Qwen/Qwen3-8B"])
def test_server_of_ones_own_speaks_chat_completions(settings, name):
    settings.RETINUE = {"MODELS": {"local": {"model": name, "base_url": "http://127.0.0.1:11434/v1"}}}
    model = resolve_model("local")
    assert (type(model.wrapped), model.model_id, model.is_own_server) == (OpenAIChatModel, f"local:{name}", True)
    assert model.client.api_key == "api-key-not-set"  # the site's key for OpenAI is none of its business


def test_keys_from_the_environment(monkeypatch, settings):
    settings.RETINUE = {"MODELS": {"mine": {"model": "openai:gpt-5-mini", "api_key_env": "MY_KEY"}}}
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("MY_KEY", raising=False)
    assert refusal("openai:gpt-5-mini") == (
        "The model 'openai:gpt-5-mini' needs a key: set the environment variable OPENAI_API_KEY."
    )
    assert refusal("anthropic:claude-haiku-4-5") == (
        "The model 'anthropic:claude-haiku-4-5' needs a key: set the environment variable ANTHROPIC_API_KEY."
    )
    assert refusal("mine") == "The model 'openai:gpt-5-mini' needs a key: set the environment variable MY_KEY."


# --- what cannot be used


def test_package_that_is_missing():
    assert refusal("mistral:codestral-latest").startswith(
        "The model 'mistral:codestral-latest' needs a package that is not installed: Please install the `mistral` "
    )


def test_unknown_names(settings):
    settings.RETINUE = {"MODELS": {"smart": "openai:gpt-5-mini"}}
    assert refusal("smrt") == "The model 'smrt' cannot be used: There is no such model. Did you mean 'smart'?"
    assert refusal("gpt-5") == (
        "The model 'gpt-5' cannot be used: Unknown model: gpt-5. A name begins with its provider, as in "
        "'openai:gpt-5-mini'."
    )
    assert refusal("opneai:gpt-5").startswith("The model 'opneai:gpt-5' cannot be used: Unknown model: opneai:gpt-5")


def test_alias_that_leads_to_itself(settings):
    settings.RETINUE = {"MODELS": {"a": "b", "b": {"models": ["openai:gpt-5-mini", "a"]}}}
    assert refusal("a") == "The model 'a' cannot be used: it leads to itself (a → b → a)."


def test_alias_that_is_written_wrongly(settings):
    settings.RETINUE = {"MODELS": {"fast": {"modle": "openai:gpt-5-mini"}}}
    assert refusal("fast") == "RETINUE['MODELS']['fast'] has no key 'modle'. Did you mean 'model'?"


def test_provider_that_takes_no_address(settings):
    settings.RETINUE = {"MODELS": {"far": {"model": "openrouter:a/b", "base_url": "http://127.0.0.1:9/v1"}}}
    assert refusal("far") == "The model 'openrouter:a/b' cannot be used: 'openrouter' takes no base_url."


def test_names_load_no_provider_before_they_are_used():
    code = (
        "import sys, django; from django.conf import settings; settings.configure(); "
        "from retinue.providers.resolve import resolve_model; from retinue.providers import aliases; "
        "print([name for name in ('pydantic_ai', 'genai_prices', 'openai', 'anthropic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
