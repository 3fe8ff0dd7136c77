"""People in front of the assistant's pages, and what they find there."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from retinue import PUBLIC, DjangoAgent
from retinue.agents.registry import get_agent, registered
from retinue.http.principal import GUEST_KEY
from retinue.sessions.lifecycle import start_session
from retinue.testing import run_queued
from retinue.types import Principal
from tests.scripted import prompt_of, scripted

JSON = "application/json"


class Browser:
    """Asks for the assistant's addresses by their names; as a page's script would where it says so."""

    def __init__(self, user: Any = None, guest: str = "", **options: Any) -> None:
        self.client = Client(**options)
        self.principal = Principal.of(user) if user else Principal.guest(guest) if guest else None
        if user is not None:
            self.client.force_login(user)
        if guest:
            session = self.client.session
            session[GUEST_KEY] = guest
            session.save()

    def get(self, name: str, *place: Any, json: bool = False, **query: Any) -> Any:
        headers = {"accept": JSON} if json else {"accept": "text/html"}
        return self.client.get(reverse(f"ai_assistant:{name}", args=place), query, headers=headers)

    def post(self, name: str, *place: Any, **form: Any) -> Any:
        """A plain form."""
        headers = {"accept": "text/html,*/*"}
        return self.client.post(reverse(f"ai_assistant:{name}", args=place), form, headers=headers)

    def send(self, name: str, *place: Any, **data: Any) -> Any:
        """JSON, for JSON."""
        url = reverse(f"ai_assistant:{name}", args=place)
        return self.client.post(url, data, content_type=JSON, headers={"accept": JSON})


@pytest.fixture
def people(transactional_db: None) -> Any:
    """Makes a user of that name."""
    return lambda name, **values: get_user_model().objects.create_user(name, f"{name}@example.com", "secret", **values)


@pytest.fixture
def ada(people: Any) -> Any:
    return people("ada")


@pytest.fixture
def browser(ada: Any) -> Browser:
    """Ada's."""
    return Browser(ada)


@pytest.fixture
def assistant() -> Any:
    """The agent that ships with the site; it says what it was asked."""
    agent = get_agent("assistant")
    with agent.override(model=scripted(*[latest_prompt] * 20)):
        yield agent


def latest_prompt(messages: Any) -> str:
    return f"You said: {prompt_of(messages[-1:])}"


@pytest.fixture
def guide() -> Any:
    """An agent that guests may talk to."""
    agent = DjangoAgent("guide", permission=PUBLIC, model=scripted(*[latest_prompt] * 20))
    with registered(agent):
        yield agent


@pytest.fixture
def talk(assistant: Any) -> Any:
    """Has somebody say things to the assistant, one after another; gives the session."""

    def say(user: Any, *prompts: str, session: Any = None, **options: Any) -> Any:
        session = session or start_session(Principal.of(user), assistant.name)
        for prompt in prompts:
            assistant.enqueue(prompt, user=user, session=session, stream=True, **options)
            run_queued()
        session.refresh_from_db()
        return session

    return say
