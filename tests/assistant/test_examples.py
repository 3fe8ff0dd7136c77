"""The questions that an empty chat offers."""

from __future__ import annotations

import re

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation
from django.utils.translation import gettext_lazy

from retinue.sessions.lifecycle import start_session
from retinue.types import Principal
from tests.assistant.conftest import Browser


@pytest.fixture(autouse=True)
def examples(settings):
    settings.RETINUE = {"ASSISTANT_EXAMPLES": {"assistant": [gettext_lazy("Yes"), "<b>Why</b>?"], "clerk": ["How?"]}}


def offered(html):
    return re.findall(r'data-testid="example">(.*?)</button>', html)


def widget(name, user):
    request = RequestFactory().get("/")
    request.user, request.session = user, {}
    return Template(f"{{% load retinue_assistant %}}{{% agent_chat '{name}' %}}").render(Context({"request": request}))


def test_new_chat_offers_those_of_the_assistant(browser):
    assert offered(browser.get("dashboard").text) == ["Yes", "&lt;b&gt;Why&lt;/b&gt;?"]


def test_they_are_in_the_language_of_the_reader(ada):
    with translation.override("de"):
        assert offered(widget("assistant", ada)) == ["Ja", "&lt;b&gt;Why&lt;/b&gt;?"]


def test_another_agent_has_others(people, ada, settings):
    boss = people("boss", is_superuser=True)
    assert offered(widget("clerk", boss)) == ["How?"]
    settings.RETINUE = {}
    assert offered(widget("clerk", boss)) == []


def test_conversation_that_has_begun_offers_none(browser, ada, talk):
    assert "<div data-rt-welcome>" in widget("assistant", ada)
    session = talk(ada, "Which lamps?")
    assert offered(browser.get("session_detail", session.pk).text) == []
    assert "<div data-rt-welcome hidden>" in widget("assistant", ada)  # for another one, begun on the same page


def test_empty_conversation_offers_those_of_its_agent_as_long_as_it_is_open(browser, ada):
    session = start_session(Principal.of(ada), "clerk")
    assert offered(browser.get("session_detail", session.pk).text) == ["How?"]
    session.is_active = False
    session.save()
    assert offered(browser.get("session_detail", session.pk).text) == []


def test_nobody_asks_in_the_conversation_of_somebody_else(people, ada, assistant):
    session = start_session(Principal.of(ada), "assistant")
    boss = Browser(people("boss", is_superuser=True))
    assert offered(boss.get("session_detail", session.pk).text) == []
