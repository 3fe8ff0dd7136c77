"""Who gets what: every address of the site, for everyone who may come by."""

from __future__ import annotations

import json
from functools import partial

import pytest
from django.urls import reverse

from retinue import AUTHENTICATED, PUBLIC, DjangoAgent
from retinue.agents.registry import get_agent, registered
from retinue.approvals.models import Approval
from retinue.assistant.urls import urlpatterns
from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import start_session
from retinue.testing import run_queued
from retinue.types import Principal
from tests.assistant.conftest import Browser
from tests.scripted import call, scripted

PERMISSIONS = ("view_aisession", "view_agentexecution", "decide_approval", "view_worker")
"""For each there is somebody who holds it alone."""
PEOPLE = ("anonymous", "other guest", "other user", "owner", "staff", *PERMISSIONS, "superuser")

LOG_IN = {"anonymous": (302, 401), "other guest": (302, 401)}
"""The status of a plain request and of one for JSON."""

EVERYONE = dict.fromkeys(PEOPLE, (200, 200))
PEOPLE_LOGGED_IN = {**EVERYONE, **LOG_IN}
NOBODY = {**dict.fromkeys(PEOPLE, (404, 404)), "anonymous": (302, 401)}
READ_SESSION = {**NOBODY, **dict.fromkeys(("owner", "view_aisession", "superuser"), (200, 200))}
READ_RUN = {**READ_SESSION, "view_agentexecution": (200, 200)}
CHANGE = {**NOBODY, "owner": (302, 200)}
BEGIN = {**CHANGE, "owner": (302, 202)}
SENT = {**dict.fromkeys(PEOPLE, (302, 202)), **LOG_IN}
QUERY = {**EVERYONE, "anonymous": (401, 401), "other guest": (401, 401)}
STREAM = {**READ_RUN, "anonymous": (401, 401)}
OF_ONE = (READ_SESSION, READ_RUN, CHANGE, BEGIN, STREAM)
DECISION = {**CHANGE, "decide_approval": (302, 200), "superuser": (302, 200)}

MATRIX = {
    ("GET", "dashboard"): PEOPLE_LOGGED_IN,
    ("GET", "history"): PEOPLE_LOGGED_IN,
    ("GET", "session_list"): PEOPLE_LOGGED_IN,
    ("GET", "quota"): {**EVERYONE, "anonymous": (302, 401)},
    ("GET", "health"): EVERYONE,
    ("POST", "ask"): SENT,
    ("POST", "query_async"): QUERY,
    ("POST", "query_sync"): QUERY,
    ("POST", "create_session"): {**dict.fromkeys(PEOPLE, (302, 200)), **LOG_IN},
    ("GET", "session_detail"): READ_SESSION,
    ("POST", "rename_session"): CHANGE,
    ("GET", "delete_session"): {**CHANGE, "owner": (200, 200)},
    ("POST", "delete_session"): CHANGE,
    ("GET", "export_session"): READ_SESSION,
    ("GET", "execution_detail"): READ_RUN,
    ("GET", "execution_events"): STREAM,
    ("POST", "stop"): CHANGE,
    ("POST", "regenerate"): BEGIN,
    ("POST", "edit"): BEGIN,
    ("POST", "rate"): CHANGE,
    ("POST", "decide"): DECISION,
}
GUEST_OWNED = {
    # What a guest has is his as a user's is his; only decisions are for users, and some pages.
    **{place: who for place, who in MATRIX.items() if any(who is each for each in OF_ONE)},
    ("GET", "delete_session"): MATRIX["GET", "delete_session"],
    ("POST", "decide"): {**DECISION, "owner": (403, 403)},
}
FIELDS = {
    "ask": {"prompt": "Hello"},
    "query_async": {"prompt": "Hello"},
    "query_sync": {"prompt": "Hello"},
    "rename_session": {"title": "Mine"},
    "edit": {"prompt": "Something else"},
    "rate": {"rating": "up"},
    "decide": {"decision": "approve"},
}


@pytest.fixture
def stage(people, grant, settings, monkeypatch):
    """Somebody's session, with an answer and a question in it, and everyone who may come by."""
    monkeypatch.setattr("retinue.assistant.views.asking.ANSWER_SECONDS", 0.01)
    helper = DjangoAgent("helper", permission=AUTHENTICATED, model=scripted(*["Hi."] * 9))
    careful = DjangoAgent("careful", permission=PUBLIC, model=scripted([call("pay")], "Paid."))

    @careful.tool_plain(approval=True)
    def pay() -> str:
        return "paid"

    settings.RETINUE = {"ASSISTANT": "helper", "GUEST_AGENTS": ["careful"]}
    with registered(helper, careful):
        holders = {name: people(name) for name in PERMISSIONS}
        for name, holder in holders.items():
            grant(holder, f"retinue.{name}")
        yield {
            **{name: partial(Browser, holder) for name, holder in holders.items()},
            "anonymous": Browser,
            "other guest": partial(Browser, guest="another"),
            "other user": partial(Browser, people("bob")),
            "staff": partial(Browser, people("clara", is_staff=True)),
            "superuser": partial(Browser, people("root", is_superuser=True)),
        }


class Scene:
    """What belongs to somebody, made anew once a request has changed it."""

    def __init__(self, principal):
        self.session = start_session(principal, "careful")
        pay = get_agent("careful").enqueue
        self.waiting = pay("Pay", principal=principal, session=self.session, stream=True)
        run_queued()
        self.approval = Approval.objects.get(execution=self.waiting)

    def place(self, name):
        if name == "export_session":
            return self.session.pk, "json"
        if "session_id" in PLACES[name]:
            return (self.session.pk,)
        if name == "decide":
            return (self.approval.pk,)
        if name in ("rate", "execution_events"):  # of what has ended
            self.waiting.cancel()
        return (self.waiting.pk,) if "execution_id" in PLACES[name] else ()


PLACES = {pattern.name: str(pattern.pattern) for pattern in urlpatterns}


def found_by(browsers, principal, method, name):
    """The statuses that everyone gets: of a plain request, and of one for JSON.

    A request that was refused has changed nothing: the next one finds the same scene.
    """
    scene, found = None, dict.fromkeys(PEOPLE, ())
    for who in PEOPLE:
        browser = browsers[who]()
        for as_json in (False, True):
            scene = scene or Scene(principal)
            response = respond(browser, method, name, scene.place(name), as_json)
            found[who] += (response.status_code,)
            if is_to_log_in(response):
                assert browser.principal is None or not browser.principal.is_user
            elif method == "POST" and response.status_code < 400:
                scene = None
    return found


def respond(browser, method, name, place, as_json):
    if method == "GET":
        response = browser.get(name, *place, json=as_json)
    else:
        response = (browser.send if as_json else browser.post)(name, *place, **FIELDS.get(name, {}))
    if response.streaming:
        response.close()
    if as_json and response.status_code >= 400:
        assert set(json.loads(response.content)) in ({"detail", "code"}, {"error", "code"}), (method, name)
    return response


def is_to_log_in(response):
    return response.status_code == 302 and response["Location"].startswith("/accounts/login/")


def test_matrix_names_every_address():
    assert {name for _, name in MATRIX} == set(PLACES)


@pytest.mark.parametrize(("method", "name"), MATRIX)
def test_who_gets_what_of_a_user(stage, people, method, name):
    owner = people("ada")
    browsers = {**stage, "owner": lambda: Browser(owner)}
    assert found_by(browsers, Principal.of(owner), method, name) == MATRIX[method, name]


@pytest.mark.parametrize(("method", "name"), GUEST_OWNED)
def test_who_gets_what_of_a_guest(stage, method, name):
    browsers = {**stage, "owner": lambda: Browser(guest="somebody")}
    assert found_by(browsers, Principal.guest("somebody"), method, name) == GUEST_OWNED[method, name]


def test_who_sees_a_run_outside_of_sessions(stage, people):
    """The permission to view sessions says nothing about it."""
    run = get_agent("helper").enqueue("Hello", user=people("ada"), stream=True)
    run.cancel()
    for name in ("execution_detail", "execution_events"):
        found = {who for who in stage if respond(stage[who](), "GET", name, (run.pk,), True).status_code == 200}
        assert found == {"view_agentexecution", "superuser"}


def test_who_sees_the_workers(stage):
    found = {who for who in stage if "workers" in stage[who]().get("health").json()}
    assert found == {"view_worker", "superuser"}


@pytest.mark.parametrize("name", [name for method, name in MATRIX if method == "POST"])
def test_changes_are_post_with_a_token(stage, people, name):
    owner = people("ada")
    scene = Scene(Principal.of(owner))
    place, rows = scene.place(name), AgentExecution.objects.count()
    url = reverse(f"ai_assistant:{name}", args=place)
    if name != "delete_session":
        assert Browser(owner).client.get(url).status_code == 405
    strict = Browser(owner, enforce_csrf_checks=True)
    assert strict.post(name, *place, **FIELDS.get(name, {})).status_code == 403
    response = strict.send(name, *place, **FIELDS.get(name, {}))
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert AgentExecution.objects.count() == rows
