"""`health/`: little for everyone, more for those who look after the site."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.utils import timezone

from retinue.assistant import health
from retinue.executions.models import AgentExecution, Worker
from retinue.testing import allow_model_requests
from tests.assistant.conftest import Browser
from tests.providers.prsm import server as prsm


@pytest.fixture(autouse=True)
def nothing_known():
    cache.clear()


@pytest.fixture
def keeper(people, grant):
    """Who may see the details."""
    grant(user := people("clara"), "retinue.view_worker")
    return Browser(user)


@pytest.fixture
def service(settings):
    """A PRSM service that the assistant answers through."""
    with prsm.serving() as server, allow_model_requests():
        settings.RETINUE = {"MODEL": "prsm:default", "PRSM": {"BASE_URL": server.url, "API_KEY": prsm.KEY}}
        yield server


def ended(status, code="", ago=0.0, **values):
    """A run of the assistant that has ended."""
    then = timezone.now() - timedelta(seconds=ago)
    row = AgentExecution(agent_name="assistant", principal_type="system", status=status, error_code=code, **values)
    row.root_id, row.created_at, row.completed_at = row.id, then, then
    row.save()


def test_says_little_to_everyone(db, ada):
    for browser in (Browser(), Browser(guest="somebody"), Browser(ada)):
        response = browser.get("health")
        assert (response.status_code, response.json()) == (200, {"status": "healthy", "prsm_connected": None})
    refused = Browser().post("health")
    said = {"detail": "This address takes GET, HEAD.", "code": "method_not_allowed"}
    assert (refused.status_code, refused["Allow"], refused.json()) == (405, "GET, HEAD", said)


def test_says_more_to_holders_of_the_permission(keeper):
    Worker.objects.create(name="here:1", concurrency=10, active=3)
    Worker.objects.create(name="gone:1", seen_at=timezone.now() - timedelta(hours=1))
    found = keeper.get("health").json()
    assert [(worker["name"], worker["active"]) for worker in found["workers"]] == [("here:1", 3)]
    queue = {"queued": 0, "running": 0, "waiting": 0, "oldest_queued_seconds": None}
    assert (found["queue"], found["database"]) == (queue, {"reachable": True})


def test_late_work_is_degraded(db):
    row = AgentExecution(agent_name="assistant", principal_type="system")
    row.root_id, row.created_at = row.id, timezone.now() - timedelta(minutes=2)
    row.save()
    assert Browser().get("health").json()["status"] == "degraded"


def test_database_that_is_away_is_degraded(db, monkeypatch):
    def away():
        raise OperationalError("it is away")

    monkeypatch.setattr(health, "look_at_queue", away)
    response = Browser().get("health")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")


def test_prsm_is_never_asked_for_everyone(ada, service):
    for browser in (Browser(), Browser(ada)):
        assert browser.get("health").json() == {"status": "healthy", "prsm_connected": None}
    assert service.asked == []


def test_prsm_is_asked_for_those_who_look_after_the_site(keeper, service):
    assert keeper.get("health").json()["prsm_connected"] is True
    assert keeper.get("health").json()["prsm_connected"] is True
    assert [asked.path for asked in service.asked] == ["/health"]
    assert Browser().get("health").json() == {"status": "healthy", "prsm_connected": True}


def test_prsm_that_does_not_answer_is_degraded(keeper, settings):
    settings.RETINUE = {"MODEL": "prsm:default", "PRSM": {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "key"}}
    assert keeper.get("health").json()["prsm_connected"] is False
    assert Browser().get("health").json() == {"status": "degraded", "prsm_connected": False}


def test_prsm_that_is_not_set_up_is_degraded(keeper, settings, monkeypatch):
    monkeypatch.delenv("PRSM_API_URL", raising=False)
    settings.RETINUE = {"MODEL": "prsm:default"}
    assert keeper.get("health").json()["prsm_connected"] is False


@pytest.mark.parametrize(
    ("runs", "connected"),
    [
        ([("completed", "", 5)], True),
        ([("failed", "model_error", 5)], False),
        ([("completed", "", 9), ("failed", "model_error", 5)], False),
        ([("completed", "", 9), ("failed", "budget_exceeded", 5), ("cancelled", "cancelled", 1)], True),
        ([("failed", "timeout", 5)], None),
    ],
)
def test_what_runs_have_met_is_known(db, service, runs, connected):
    for status, code, ago in runs:
        ended(status, code, ago)
    assert Browser().get("health").json()["prsm_connected"] is connected


def test_answer_from_the_cache_tells_nothing_of_prsm(db, service):
    ended("completed", from_cache=True)
    assert Browser().get("health").json()["prsm_connected"] is None


def test_later_knowledge_counts(keeper, service):
    ended("failed", "model_error", ago=5)
    assert keeper.get("health").json()["prsm_connected"] is True
    ended("failed", "model_error", ago=-5)
    assert Browser().get("health").json()["prsm_connected"] is False
