"""What the system checks say of models and prices."""

import pytest
from django.core.checks import run_checks

from retinue import DjangoAgent
from retinue.agents.registry import registered
from retinue.budgets.models import Budget
from retinue.checks import check_agents, check_settings

MINI = "openai:gpt-5-mini"
PRICE = {"input": "0.25", "output": 2}


def said(key, value, settings):
    settings.RETINUE = {key: value}
    return [(message.id, message.msg) for message in check_settings()]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MODELS", {"fast": MINI, "local": {"model": "llama3.2", "base_url": "http://127.0.0.1/v1", "price": PRICE}}),
        ("MODELS", {"smart": {"models": ["fast", MINI], "timeout": 1.5, "retries": 0, "settings": {}}, "fast": MINI}),
        ("MODELS", {"mine": {"model": MINI, "api_key_env": "MY_KEY"}}),
        ("PRICES", {MINI: {**PRICE, "cache_read": 0.1, "cache_write": "1", "cache_write_1h": "2", "request": "0"}}),
        ("PRICES", {MINI: {"request": "0.01"}}),
        ("UNKNOWN_PRICE", PRICE),
        ("UNKNOWN_PRICE", "block"),
        ("CREDITS_PER_USD", None),
        ("CREDITS_PER_USD", 30),
    ],
)
def test_what_is_right(settings, key, value):
    assert said(key, value, settings) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, " is 3: neither the name of a model nor a dict."),
        ({"modle": MINI, "model": MINI}, " has no key 'modle'. Did you mean 'model'?"),
        ({}, " must have either 'model' or 'models'."),
        ({"model": MINI, "models": [MINI]}, " must have either 'model' or 'models'."),
        ({"models": []}, "['models'] is []: it must be a list of names of models."),
        ({"model": ""}, "['model'] is '': it must be the name of a model."),
        ({"model": MINI, "timeout": 0}, "['timeout'] is 0: it must be a number of seconds, more than 0."),
        ({"model": MINI, "retries": 1.5}, "['retries'] is 1.5: it must be a whole number, 0 or more."),
        (
            {"model": MINI, "base_url": "localhost"},
            "['base_url'] is 'localhost': it must be an address that begins with http:// or https://.",
        ),
        (
            {"models": [MINI], "base_url": "http://localhost"},
            " has 'base_url' or 'api_key_env': they go with one 'model'.",
        ),
        ({"model": MINI, "price": {"input": 1}}, "['price'] must have 'input' and 'output', or 'request'."),
    ],
)
def test_entry_of_models_that_is_wrong(settings, entry, message):
    assert said("MODELS", {"fast": entry}, settings) == [("retinue.E008", f"RETINUE['MODELS']['fast']{message}")]


def test_aliases_in_a_circle(settings):
    models = {"a": "b", "b": {"models": [MINI, "a"]}, "c": "b"}
    assert said("MODELS", models, settings) == [
        ("retinue.E008", "RETINUE['MODELS']['a'] leads to itself: a → b → a."),
        ("retinue.E008", "RETINUE['MODELS']['b'] leads to itself: b → a → b."),
    ]


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("0.25", " is '0.25': it must be a dict."),
        ({"output": 1}, " must have 'input' and 'output', or 'request'."),
        ({**PRICE, "cached": 1}, " has no key 'cached'. Did you mean 'cache_read'?"),
        ({**PRICE, "output": -1}, "['output'] is -1: it must be an amount of US dollars, such as \"0.25\"."),
        ({**PRICE, "output": "much"}, "['output'] is 'much': it must be an amount of US dollars, such as \"0.25\"."),
    ],
)
def test_price_that_is_wrong(settings, price, message):
    assert said("PRICES", {MINI: price}, settings) == [("retinue.E008", f"RETINUE['PRICES'][{MINI!r}]{message}")]
    assert said("UNKNOWN_PRICE", price, settings)[0][0] in ("retinue.E008", "retinue.E003")


def test_values_of_the_wrong_type_or_range(settings):
    expected = "Expected: a Decimal or a whole number or None."
    settings.RETINUE = {"CREDITS_PER_USD": "100"}
    assert [(m.id, m.hint) for m in check_settings()] == [("retinue.E003", expected)]
    for key, value in (("CREDITS_PER_USD", 0), ("MODEL_TIMEOUT", 0), ("MODEL_RETRIES", -1), ("MAX_OUTPUT_TOKENS", 0)):
        assert [found for found, _ in said(key, value, settings)] == ["retinue.E004"]


def test_alias_that_cannot_be_used(settings, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings.RETINUE = {"MODELS": {"fast": MINI}}
    assert [(m.id, m.msg) for m in check_agents() if "openai" in m.msg] == [
        ("retinue.W013", f"The model {MINI!r} needs a key: set the environment variable OPENAI_API_KEY.")
    ]


def test_agent_whose_model_has_no_price(settings, monkeypatch, db):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    agent = DjangoAgent("unpriced", model="openai:my-own-model")

    def found():
        with registered(agent):
            return [m.msg for m in check_agents() if m.id == "retinue.W014" and "unpriced" in m.msg]

    what = "The agent 'unpriced': nobody knows what its model 'openai:my-own-model' costs in {}, and a budget in it "
    settings.RETINUE = {"CREDITS_NAME": "FTNS"}  # with the default budget, which is in credits
    assert found() == [what.format("FTNS") + "applies: it would not run."]
    settings.RETINUE = {"DEFAULT_BUDGETS": []}
    assert found() == []
    Budget.objects.create(owner_type="everyone", unit="usd", period="total", limit_steps=1)
    assert found() == [what.format("USD") + "applies: it would not run."]
    settings.RETINUE = {"DEFAULT_BUDGETS": [], "PRICES": {"openai:my-own-model": PRICE}}
    assert found() == []


def test_settings_of_the_tests_are_right():
    assert run_checks(tags=["retinue"]) == []
