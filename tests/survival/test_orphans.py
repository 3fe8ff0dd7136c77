"""What a dead worker leaves behind is taken up by the others, or ended."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, Worker
from retinue.executions.states import FINAL
from retinue.runtime.journal.claim import Claim
from retinue.runtime.journal.writer import flush
from retinue.workers.sweep import fail_hopeless, fail_orphan
from tests.survival.agents import subject
from tests.survival.conftest import notes_of

pytestmark = pytest.mark.django_db(transaction=True)

DEFAULT = {
    "LEASE_SECONDS": 20.0,
    "HEARTBEAT_SECONDS": 1.0,
    "POLL_SECONDS": 0.05,
    "GRACE_SECONDS": 10.0,
    "TOOL_TRANSACTION_SECONDS": 6.0,
}


def test_orphan_goes_on_within_thirty_seconds(stage, user):
    execution = subject.enqueue("a note @go:note done", user=user)
    first = stage.start(sweep=None, **DEFAULT)
    stage.until_asked(execution, 1)
    second = stage.start(sweep=None, **DEFAULT)
    stage.until(lambda: Worker.objects.count() == 2)
    first.kill()
    died = time.time()
    stage.gates.open("go")
    stage.until_status("completed", execution)
    taken = stage.until_asked(execution, 1, by=second)
    assert taken["time"] - died < 30
    assert notes_of(execution) == ["note c0a", "note c1a"]
    assert not stage.seen("reasked")


def test_run_goes_on_when_the_process_that_waited_for_it_dies(stage, user):
    process = stage.run("a note @go:note done", user)
    execution = stage.until(AgentExecution.objects.first)
    stage.until_asked(execution, 1, by=process)
    process.kill()
    stage.gates.open("go")
    stage.start()
    stage.until_status("completed", execution)
    assert notes_of(execution) == ["note c0a", "note c1a"]
    assert not stage.seen("reasked")


def test_run_fails_with_the_process_that_waited_for_it_where_the_site_wants_that(stage, user):
    process = stage.run("a note @go:note done", user)
    execution = stage.until(AgentExecution.objects.first)
    stage.until_asked(execution, 1, by=process)
    process.kill()
    stage.start(ORPHANS="fail")
    stage.until_status("failed", execution)
    execution.refresh_from_db()
    assert (execution.error_code, execution.error_message) == ("orphaned", "The process that ran it died.")
    assert notes_of(execution) == ["note c0a"]


def test_execution_that_kills_its_worker_fails_and_takes_no_other_along(stage, user):
    poison = subject.enqueue("poison die done", user=user)
    others = [subject.enqueue(f"r{n} note @go:note done", user=user) for n in range(10)]
    kills = 0
    while not AgentExecution.objects.filter(pk=poison.pk, status="failed").exists():
        worker = stage.start(MAX_ATTEMPTS=3)
        stage.until(lambda w=worker: not w.alive or AgentExecution.objects.filter(pk=poison.pk, status="failed"))
        kills += worker.returncode == -9
        if kills == 2:
            stage.gates.open("go")  # from now on nothing else keeps a worker busy
    assert kills == 3
    assert len(stage.seen("died", poison)) == 3
    failed = AgentExecution.objects.get(pk=poison.pk)
    assert (failed.error_code, failed.error_message) == (
        "max_attempts",
        "The process that ran it died 3 times in a row without a recorded result.",
    )
    assert failed.lease_expires is None and failed.completed_at is not None
    stage.until_status("completed", *others)
    assert {tuple(notes_of(e)) for e in others} == {("note c0a", "note c1a")}
    assert not stage.seen("reasked")


@pytest.mark.parametrize(
    ("values", "retinue"),
    [({"attempts": 2}, {"MAX_ATTEMPTS": 3}), ({"attached": True}, {"ORPHANS": "fail"})],
)
def test_orphan_that_is_to_fail_is_not_claimed_first(user, settings, values, retinue):
    """Its lease may run out between the look for what is to fail and the look for what is to go on."""
    settings.RETINUE = retinue
    with registered(subject):
        execution = subject.enqueue("a done", user=user)
    rows = AgentExecution.objects.filter(pk=execution.pk)
    rows.update(status="running", lease_expires=timezone.now() - timedelta(seconds=1), **values)
    assert flush("default", [Claim(expired=True), Claim(expired=True, alone=True)]) == [[], []]
    assert fail_hopeless("default") == 1
    assert rows.get().status == "failed"


def test_orphans_that_are_alive_after_all_do_not_fail(user):
    """They are run here, or were taken up elsewhere in the meantime."""
    with registered(subject):
        mine, taken = (subject.enqueue(f"{name} done", user=user) for name in ("mine", "taken"))
    AgentExecution.objects.update(
        status="running", attempts=2, lease_expires=timezone.now() - timedelta(seconds=1), lease_token=uuid4()
    )
    orphans = AgentExecution.objects.filter(lease_expires__lt=timezone.now())
    seen = orphans.get(pk=taken.pk)
    AgentExecution.objects.filter(pk=taken.pk).update(lease_token=uuid4())
    assert not fail_orphan(orphans, seen, "max_attempts", "")
    AgentExecution.objects.filter(pk=taken.pk).update(lease_expires=timezone.now() + timedelta(seconds=9))
    assert fail_hopeless("default", lambda: [mine.pk]) == 0
    assert set(AgentExecution.objects.values_list("status", flat=True)) == {"running"}


def test_progress_sets_the_attempts_back(stage, user):
    """Workers die one after another, more than MAX_ATTEMPTS, but each leaves a result of the batch behind."""
    execution = subject.enqueue("a note+note+note+note done", user=user)
    kills = 0
    while not AgentExecution.objects.filter(pk=execution.pk, status="completed").exists():
        worker = stage.start(trap=("after-tool-commit", 1, "SIGKILL"), MAX_ATTEMPTS=2, TOOL_THREADS=1)
        stage.until(lambda w=worker: not w.alive or AgentExecution.objects.filter(pk=execution.pk, status__in=FINAL))
        assert not AgentExecution.objects.filter(pk=execution.pk, status="failed").exists()
        kills += worker.returncode == -9
    assert kills == 4
    assert sorted(notes_of(execution)) == [f"note c0{letter}" for letter in "abcd"]
    assert not stage.seen("reasked")
