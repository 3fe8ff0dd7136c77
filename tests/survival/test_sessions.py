"""A session that several processes send messages to at once, and whose workers are killed."""

import json
from contextlib import contextmanager

import pytest
from pydantic_ai.messages import ModelMessagesTypeAdapter

from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import start_session
from retinue.types import Principal
from tests.histories import fault, texts
from tests.survival.agents import talker
from tests.survival.partner import Partner

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = 5
"""How many messages each of the two processes sends."""


@pytest.fixture
def session(stage, user):
    return start_session(Principal.of(user), "talker")


@contextmanager
def talking(session, policy):
    """Two processes that send their messages at once; gives how these were taken, by name."""
    talkers = {name: Partner("tests.survival.talkers", session.pk, policy, name, MESSAGES) for name in ("a", "b")}
    try:
        assert [each.line() for each in talkers.values()] == ["ready", "ready"]
        for each in talkers.values():
            each.go_on()
        yield lambda: {name: json.loads(each.line()) for name, each in talkers.items()}
    finally:
        for each in talkers.values():
            each.end()


def turns():
    return list(AgentExecution.objects.order_by("created_at").values_list("input_prompt", "status"))


def given(stage):
    """What the model was given for each request, by the execution; each of them valid."""
    found = {}
    for fact in stage.seen("given"):
        messages = ModelMessagesTypeAdapter.validate_python(fact["messages"])
        assert fault(messages) is None
        found.setdefault(fact["execution"], []).append(messages)
    return found


def check_histories(stage, counted):
    """Each turn was told everything that counts of those before it, and nothing else."""
    told = []
    for row in AgentExecution.objects.order_by("created_at"):
        for messages in given(stage).get(str(row.pk), []):
            assert texts(messages) == [*told, row.input_prompt]
        told += counted(row)


def all_final():
    return not AgentExecution.objects.open().exists()


def test_enqueue_from_two_processes(stage, session):
    stage.gates.open("talk")
    workers = [stage.start(), stage.start()]
    with talking(session, "enqueue") as taken:
        assert taken() == {"a": ["sent"] * MESSAGES, "b": ["sent"] * MESSAGES}
    stage.until(all_final)
    assert [status for _, status in turns()] == ["completed"] * 2 * MESSAGES
    for name in "ab":  # each process's in its order
        mine = [prompt for prompt, _ in turns() if prompt[0] == name]
        assert mine == [f"{name}{number}" for number in range(MESSAGES)]
    check_histories(stage, lambda row: [row.input_prompt, f"re: {row.input_prompt}"])
    assert {len(requests) for requests in given(stage).values()} == {2}
    assert {fact["pid"] for fact in stage.seen("given")} <= {worker.pid for worker in workers}


def test_reject_from_two_processes(stage, session):
    stage.start()
    stage.start()
    with talking(session, "reject") as taken:
        outcomes = taken()
    assert sorted(outcomes["a"] + outcomes["b"]) == ["sent", *["session_busy"] * (2 * MESSAGES - 1)]
    stage.gates.open("talk")
    stage.until(all_final)
    ((prompt, status),) = turns()
    assert (prompt in ("a0", "b0"), status) == (True, "completed")
    check_histories(stage, lambda row: [])


def test_interrupt_from_two_processes(stage, session):
    stage.start()
    stage.start()
    with talking(session, "interrupt") as taken:
        assert taken() == {"a": ["sent"] * MESSAGES, "b": ["sent"] * MESSAGES}
    *interrupted, (last, _) = turns()
    assert {status for _, status in interrupted} == {"cancelled"}
    stage.gates.open("talk")
    stage.until(all_final)
    assert turns()[-1] == (last, "completed")
    assert len(interrupted) == 2 * MESSAGES - 1
    check_histories(stage, lambda row: [row.input_prompt, "[The answer was interrupted here.]"])


def test_killed_run_is_resumed_with_the_same_history(stage, session, user):
    for prompt in ("one", "two"):
        talker.enqueue(prompt, user=user, session=session)
    stage.gates.open("one")
    stage.gates.open("two")
    first = stage.start()
    stage.until(all_final)
    third = talker.enqueue("three", user=user, session=session)
    fourth = talker.enqueue("four", user=user, session=session)
    stage.until(lambda: str(third.pk) in given(stage))
    first.kill()
    second = stage.start(SESSION_HISTORY_TOKENS=10)  # the first start counts
    stage.gates.open("three")
    stage.until(lambda: str(fourth.pk) in given(stage))
    third.refresh_from_db()
    assert (third.status, third.answer) == ("completed", "re: three")
    told = [texts(messages) for messages in given(stage)[str(third.pk)]]
    assert told == [["one", "re: one", "two", "re: two", "three"]] * 3
    assert [fact["pid"] for fact in stage.seen("given", third)] == [first.pid, second.pid, second.pid]
    stage.gates.open("four")
    stage.until(all_final)


def test_worker_that_dies_at_any_point_leaves_one_turn_after_another(stage, session, user):
    for number in range(4):
        talker.enqueue(str(number), user=user, session=session)
    stage.gates.open("talk")
    for times in range(1, 8):
        worker = stage.start(trap=("before-journal-commit" if times % 2 else "after-journal-commit", times, "SIGKILL"))
        stage.until(lambda worker=worker: not worker.alive or all_final())
        worker.kill()
    stage.start(MAX_ATTEMPTS=100)
    stage.until(all_final)
    assert turns() == [(str(number), "completed") for number in range(4)]
    check_histories(stage, lambda row: [row.input_prompt, f"re: {row.input_prompt}"])
