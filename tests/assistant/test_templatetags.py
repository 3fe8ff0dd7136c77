from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.test import RequestFactory

from retinue import AUTHENTICATED, PUBLIC, DjangoAgent
from retinue.agents.registry import registered
from retinue.errors import UnknownAgent
from retinue.http.principal import GUEST_KEY
from tests.scripted import scripted

GUIDE = DjangoAgent("guide", permission=PUBLIC, model=scripted())
CLERK = DjangoAgent("clerk", permission="shop.change_product", model=scripted())
MEMBER = DjangoAgent("member", permission=AUTHENTICATED, model=scripted())
LOAD = "{% load retinue_assistant %}"


@pytest.fixture(autouse=True)
def agents(settings):
    settings.RETINUE = {"GUEST_AGENTS": ["guide"]}
    settings.LOGIN_URL = "login"
    with registered(GUIDE, CLERK, MEMBER):
        yield


def request_of(user=None, guest=None):
    request = RequestFactory().get("/lamps/?page=2")
    request.user = user or AnonymousUser()
    request.session = {GUEST_KEY: guest} if guest else {}
    return request


def shown(source, request):
    return Template(LOAD + source).render(Context({"request": request}))


def test_chat_for_whom_the_agent_is(ada):
    html = shown("{% agent_chat 'member' title='Ask us' %}", request_of(ada))
    assert '<h2 class="rt-title">Ask us</h2>' in html
    assert 'data-agent="member"' in html
    assert '<input type="hidden" name="agent" value="member"' in html
    assert '<input type="hidden" name="next" value="/lamps/?page=2">' in html
    assert html.count('data-testid="composer"') == 1


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["member", "clerk"])
def test_visitor_is_asked_to_log_in(name):
    html = shown(f"{{% agent_chat '{name}' %}}", request_of())
    assert '<a href="/accounts/login/?next=%2Flamps%2F%3Fpage%3D2">Log in</a> to chat here.' in html
    assert "<form" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("guest", [None, "key"])
def test_guest_may_talk_to_an_agent_for_guests(guest):
    html = shown("{% agent_chat 'guide' %}", request_of(guest=guest))
    assert html.count('data-testid="composer"') == 1


def test_who_may_not_run_the_agent_sees_nothing(ada):
    assert shown("{% agent_chat 'clerk' %}", request_of(ada)).strip() == ""


def test_agent_for_holders_of_a_permission(people):
    html = shown("{% agent_chat 'clerk' %}", request_of(people("bob", is_superuser=True)))
    assert html.count('data-testid="composer"') == 1


@pytest.mark.django_db
def test_unknown_agent_is_an_error():
    with pytest.raises(UnknownAgent, match="Did you mean guide"):
        shown("{% agent_chat 'gide' %}", request_of())


def test_chat_goes_on_with_the_last_conversation(ada, assistant, talk):
    talk(ada, "An older one")
    session = talk(ada, "Which lamps?")
    html = shown("{% agent_chat 'assistant' %}", request_of(ada))
    assert f'data-session="{session.pk}"' in html
    assert f'name="session_id" value="{session.pk}"' in html
    assert html.count('data-testid="answer-text"') == 2  # one is the blueprint
    assert "You said: Which lamps?" in html and "An older one" not in html


def test_closed_conversation_is_over(ada, assistant, talk):
    session = talk(ada, "Which lamps?")
    session.is_active = False
    session.save()
    assert "Which lamps?" not in shown("{% agent_chat 'assistant' %}", request_of(ada))


def test_several_chats_on_a_page_do_not_mix(ada):
    html = shown("{% agent_chat 'guide' %}{% agent_chat 'member' %}", request_of(ada))
    ids = re.findall(r' id="([^"]+)"', html)
    labelled = re.findall(r'<label class="rt-sr" for="([^"]+)"', html)
    assert len(labelled) == 2 and set(labelled) < set(ids)
    assert len(set(ids)) == len(ids)


def test_nothing_of_a_chat_is_inline(ada, assistant, talk):
    talk(ada, "Which lamps?")
    html = shown("{% agent_chat_assets %}{% agent_chat 'assistant' %}", request_of(ada))
    assert "style=" not in html and "<style" not in html
    assert [
        tag for tag in html.split("<script")[1:] if not tag.startswith((" src=", ' id="retinue-texts" type='))
    ] == []


def test_assets_hold_the_words_of_the_scripts():
    html = shown("{% agent_chat_assets %}", None)
    assert '<script id="retinue-texts" type="application/json">' in html
    assert '"copied": "Copied."' in html


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ text|visible }}", "ab"),
        ("{{ text|exposed }}", "a\\u202eb"),
        ("{{ amount|amount }}", "1.5"),
        ("{{ little|amount }} {{ little|left }}", "0.007 0.0069"),
        ("{% longest_prompt %}", "2000"),
    ],
)
def test_filters(source, result):
    template = Template(LOAD + source)
    assert (
        template.render(Context({"text": "a\u202eb", "amount": Decimal("1.50000"), "little": Decimal("0.006996")}))
        == result
    )


def test_icon_says_nothing_to_a_screen_reader():
    assert 'aria-hidden="true"' in shown("{% icon 'send' %}", None)
