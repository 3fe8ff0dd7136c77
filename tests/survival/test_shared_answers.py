"""Questions that several processes ask at once: one asks the model, through a cache that they share."""

import os

import pytest

from retinue.executions.models import AgentExecution
from tests.survival.agents import asker

pytestmark = pytest.mark.django_db(transaction=True)

SHARED = {"CACHE": "shared"}


@pytest.fixture
def prompt(tmp_path):
    """A question that no other test asks: the server of the cache is everybody's."""
    return f"{tmp_path.name}{os.getpid()} @go:done"


def running():
    return AgentExecution.objects.filter(status="running").count()


def test_stampede_in_two_processes_asks_once(stage, user, prompt):
    executions = [asker.enqueue(prompt, user=user) for _ in range(20)]
    workers = [stage.start(concurrency=10, **SHARED) for _ in range(2)]
    stage.until(lambda: running() == 20)
    stage.until(lambda: stage.seen("asked"))
    stage.gates.open("go")
    stage.until_status("completed", *executions)
    assert len(stage.seen("asked")) == 1
    assert AgentExecution.objects.filter(from_cache=True, output_data="done").count() == 19
    assert all(worker.alive for worker in workers)


def test_another_goes_on_when_the_process_that_asks_is_killed(stage, user, prompt):
    asks = asker.enqueue(prompt, user=user)
    first = stage.start(concurrency=1, **SHARED)
    stage.until_asked(asks, 0, by=first)
    waits = [asker.enqueue(prompt, user=user) for _ in range(5)]
    second = stage.start(**SHARED)
    stage.until(lambda: running() == 6)
    first.kill()
    asks.refresh_from_db()  # its lease is not renewed any more
    stage.until(lambda: len(stage.seen("asked")) == 2)
    asked = stage.seen("asked")[1]
    assert asked["pid"] == second.pid
    assert asked["time"] >= asks.lease_expires.timestamp()
    stage.gates.open("go")
    stage.until_status("completed", asks, *waits)
    assert len(stage.seen("asked")) == 2
    assert AgentExecution.objects.filter(from_cache=True).count() == 5


def test_answer_of_another_process_is_found(stage, user, prompt):
    stage.gates.open("go")
    first = stage.start(**SHARED)
    one = asker.enqueue(prompt, user=user)
    stage.until_status("completed", one)
    assert first.stop() == 0
    stage.start(**SHARED)
    two = asker.enqueue(prompt, user=user)
    stage.until_status("completed", two)
    assert len(stage.seen("asked")) == 1
    two.refresh_from_db()
    assert (two.from_cache, two.output_data, two.tokens_used) == (True, "done", 0)
