"""What is wrong with a site that has the assistant's pages is said by `check`."""

import sys

import pytest
from django.test import override_settings

from retinue import PUBLIC, DjangoAgent
from retinue.agents.registry import registered
from retinue.assistant.checks import check_assistants, check_installation


def said(messages):
    return [(message.id, message.msg, message.hint) for message in messages]


def test_nothing_is_wrong_here():
    assert said(check_installation()) == said(check_assistants()) == []


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("INSTALLED_APPS", "django.contrib.messages"),
        ("MIDDLEWARE", "django.middleware.csrf.CsrfViewMiddleware"),
        ("MIDDLEWARE", "django.contrib.sessions.middleware.SessionMiddleware"),
    ],
)
def test_what_is_missing_is_named(settings, setting, name):
    left = [each for each in getattr(settings, setting) if each != name]
    with override_settings(**{setting: left}):
        assert said(check_installation()) == [
            ("retinue.E015", f"retinue.assistant needs {name!r} in {setting}.", "Add it.")
        ]


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nh3", None)
    monkeypatch.delitem(sys.modules, "nh3")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    found = said(check_installation())
    hint = "pip install django-retinue[assistant]"
    assert ("retinue.E015", "retinue.assistant needs the package 'nh3'.", hint) in found


def test_agent_that_is_not_there(settings):
    settings.RETINUE = {"ASSISTANT": "nobody"}
    (found,) = said(check_assistants())
    assert found[:2] == ("retinue.E016", "RETINUE['ASSISTANT'] names the agent 'nobody': there is none.")
    assert "assistant" in found[2]


def test_examples_for_an_agent_that_is_not_there(settings):
    settings.RETINUE = {"ASSISTANT_EXAMPLES": {"assistant": ["What can you do?"], "nobody": ["Who are you?"]}}
    assert [found[:2] for found in said(check_assistants())] == [
        ("retinue.E016", "RETINUE['ASSISTANT_EXAMPLES'] names the agent 'nobody': there is none.")
    ]


def test_agents_of_guests(settings):
    settings.RETINUE = {"GUEST_AGENTS": ["guide", "clerk", "nobody"]}
    with registered(DjangoAgent("guide", permission=PUBLIC)):
        found = [(number, what) for number, what, _ in said(check_assistants())]
    assert found == [
        ("retinue.E016", "RETINUE['GUEST_AGENTS'] names the agent 'nobody': there is none."),
        ("retinue.E016", "RETINUE['GUEST_AGENTS'] names 'clerk', which guests may not run."),
    ]
