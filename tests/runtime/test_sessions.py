"""Messages of a session: one at a time."""

import asyncio
import threading
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test import TestCase
from django.utils import timezone
from django.utils.translation import override
from pydantic_ai.messages import ModelRequest

from retinue import AUTHENTICATED, SYSTEM, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.errors import (
    ExecutionCancelled,
    ExecutionFailed,
    InvalidInput,
    SessionBusy,
    SessionClosed,
    UnknownSession,
)
from retinue.executions.models import AgentExecution
from retinue.runtime.journal.claim import Claim
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.testing import run_queued
from retinue.types import Principal, time_ordered_uuid
from retinue.workers.sweep import has_queued
from tests.histories import Listener, texts
from tests.scripted import call, scripted
from tests.waiting import opened, until

pytestmark = pytest.mark.django_db(transaction=True)


def statuses():
    return list(AgentExecution.objects.filter(parent=None).order_by("created_at").values_list("input_prompt", "status"))


def claimable():
    """The prompts that a worker could begin with now."""
    rows = Claim(limit=100).candidates("default", timezone.now())
    assert has_queued("default", (), ()) == rows.exists()
    return list(rows.order_by("created_at").values_list("input_prompt", flat=True))


def test_context_of_the_session_reaches_the_tools(user):
    seen = []
    agent = DjangoAgent("peeper", permission=AUTHENTICATED, model=scripted([call("peep")], "done", "again"))

    @agent.tool(effects="none")
    def peep(ctx: RunContext[DjangoDeps]) -> str:
        seen.append(ctx.deps.context)
        return "peeped"

    with registered(agent):
        session = start_session(Principal.of(user), "peeper", context={"shop": 3, "lang": "en"})
        given = DjangoDeps(user_id=user.pk, context={"lang": "de", "page": 1})
        agent.run_sync("Go", deps=given, session=session.pk)
        AgentExecution.objects.all().delete()
        execution = agent.enqueue("Go", user=user, session=session)
        run_queued()
    assert seen == [{"shop": 3, "lang": "de", "page": 1}, {"shop": 3, "lang": "en"}]
    assert given.context == {"lang": "de", "page": 1}
    assert execution.given["deps"]["context"] == {"shop": 3, "lang": "en"}


def test_first_prompt_makes_the_title(listener, session, user):
    prompt = "What   is\nin stock of the green chairs with four legs and a cushion?"
    listener.agent.run_sync(prompt, user=user, session=session)
    listener.agent.run_sync("And now?", user=user, session=session)
    session.refresh_from_db()
    assert session.title == "What is in stock of the green chairs with four legs and a…"
    assert session.updated_at == AgentExecution.objects.latest("created_at").created_at


# --- one at a time


def test_claims_pass_over_busy_sessions(listener, session, user):
    other = start_session(Principal.of(user), "listener")
    for prompt in ("a1", "a2", "a3"):
        listener.agent.enqueue(prompt, user=user, session=session)
    listener.agent.enqueue("b1", user=user, session=other, priority=-1)
    listener.agent.enqueue("alone", user=user)
    assert claimable() == ["a1", "b1", "alone"]
    rows = AgentExecution.objects.filter(input_prompt="a1")
    for status in ("running", "waiting"):
        rows.update(status=status, started_at=timezone.now())
        assert claimable() == ["b1", "alone"]
    rows.update(status="queued")  # decided, or handed back
    assert claimable() == ["a1", "b1", "alone"]
    rows.get().cancel()
    assert claimable() == ["a2", "b1", "alone"]


def test_messages_are_answered_in_their_order(listener, session, user):
    for number in range(5):
        listener.agent.enqueue(str(number), user=user, session=session, priority=number)
    run_queued()
    assert [told[-1] for told in listener.told] == ["0", "1", "2", "3", "4"]
    assert listener.told[-1] == ["0", "re: 0", "1", "re: 1", "2", "re: 2", "3", "re: 3", "4"]


def test_order_holds_where_clocks_differ(listener, session, user):
    first = listener.agent.enqueue("first", user=user, session=session)
    AgentExecution.objects.update(created_at=timezone.now() + timedelta(hours=1))
    first.refresh_from_db()
    second = listener.agent.enqueue("second", user=user, session=session)
    assert second.created_at == first.created_at + timedelta(microseconds=1)


def test_claim_that_comes_too_late_claims_nothing(listener, session, user):
    """Rows as no call of ours writes them: both look as if they were first."""
    listener.agent.enqueue("one", user=user, session=session)
    pk = time_ordered_uuid()
    AgentExecution.objects.create(
        id=pk, root_id=pk, agent_name="listener", principal_type="user", principal_key=str(user.pk), session=session
    )

    class Late(Claim):
        """Saw the session before anybody began."""

        def candidates(self, alias, now):
            return AgentExecution.objects.filter(status="queued")

    with transaction.atomic():
        assert Late(limit=10).claim("default") == []
    assert set(AgentExecution.objects.values_list("status", "started_at")) == {("queued", None)}


def test_reject(listener, session, user):
    session.policy = "reject"
    session.save()
    listener.agent.enqueue("one", user=user, session=session)
    with pytest.raises(SessionBusy):
        listener.agent.enqueue("two", user=user, session=session)
    with pytest.raises(SessionBusy):
        listener.agent.run_sync("three", user=user, session=session)
    listener.agent.enqueue("four", user=user, session=session, policy="enqueue")
    assert statuses() == [("one", "queued"), ("four", "queued")]
    run_queued()
    listener.agent.run_sync("five", user=user, session=session)


def test_interrupt(listener, session, user):
    for prompt in ("one", "two"):
        listener.agent.enqueue(prompt, user=user, session=session)
    listener.agent.enqueue("three", user=user, session=session, policy="interrupt")
    assert statuses() == [("one", "cancelled"), ("two", "cancelled"), ("three", "queued")]


def test_interrupt_is_undone_with_its_transaction(listener, session, user):
    listener.agent.enqueue("one", user=user, session=session)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        listener.agent.enqueue("two", user=user, session=session, policy="interrupt")
        raise ZeroDivisionError
    assert statuses() == [("one", "queued")]


def test_refused_message_leaves_no_trace(listener, session, user):
    listener.agent.enqueue("one", user=user, session=session)
    before = AISession.objects.values().get()
    with pytest.raises(SessionBusy):
        listener.agent.enqueue("two", user=user, session=session, policy="reject")
    assert AISession.objects.values().get() == before


# --- edited and answered anew


def test_last_message_is_replaced(listener, session, user):
    for prompt in ("one", "two"):
        listener.agent.run_sync(prompt, user=user, session=session)
    last = AgentExecution.objects.latest("created_at")
    edited = listener.agent.run_sync("two!", user=user, session=session, replaces=last).execution
    again = listener.agent.run_sync("two!", user=user, session=session, replaces=edited).execution
    assert listener.told[2:] == [["one", "re: one", "two!"]] * 2
    assert (edited.replaces_id, again.replaces_id) == (last.pk, edited.pk)
    last.refresh_from_db()
    assert (last.replaced_by, last.answer) == (edited, "re: two")  # it stays on record


def test_replaced_message_stops(listener, session, user):
    session.policy = "reject"
    session.save()
    one = listener.agent.enqueue("one", user=user, session=session)
    listener.agent.enqueue("one!", user=user, session=session, replaces=one)
    assert statuses() == [("one", "cancelled"), ("one!", "queued")]
    run_queued()
    assert listener.told == [["one!"]]


def test_only_the_last_message_can_be_replaced(listener, session, user):
    one = listener.agent.run_sync("one", user=user, session=session).execution
    two = listener.agent.run_sync("two", user=user, session=session).execution
    other = start_session(Principal.of(user), "listener")
    elsewhere = listener.agent.run_sync("three", user=user, session=other).execution
    listener.agent.enqueue("two!", user=user, session=session, replaces=two)
    for replaced in (one, two, elsewhere):
        with pytest.raises(InvalidInput, match="Only the last message"):
            listener.agent.enqueue("x", user=user, session=session, replaces=replaced)


# --- what is refused


def test_message_that_does_not_belong_there_is_refused(listener, session, user, django_user_model):
    other = django_user_model.objects.create_user("bob")
    stranger = Listener("stranger")
    with registered(listener.agent, stranger.agent):
        for whom, agent in ((other, listener.agent), (user, stranger.agent)):
            for send in (agent.enqueue, agent.run_sync):
                with pytest.raises(InvalidInput):
                    send("x", user=whom, session=session)
        with pytest.raises(InvalidInput, match="acts for somebody else"):
            listener.agent.enqueue("x", principal=SYSTEM, session=session)
        with pytest.raises(InvalidInput, match="no policy 'later'"):
            listener.agent.enqueue("x", user=user, session=session, policy="later")
    for session_id in (time_ordered_uuid(), AISession(agent_name="listener")):
        with pytest.raises(UnknownSession):
            listener.agent.enqueue("x", user=user, session=session_id)
    AISession.objects.update(is_active=False)
    for send in (listener.agent.enqueue, listener.agent.run_sync):
        with pytest.raises(SessionClosed):
            send("x", user=user, session=session)
    assert not AgentExecution.objects.exists()


def test_what_does_not_go_together_is_refused(listener, session, user):
    with pytest.raises(TypeError, match="own history"):
        listener.agent.enqueue("x", user=user, session=session, message_history=[ModelRequest.user_text_prompt("y")])
    with pytest.raises(TypeError, match="give session=, too"):
        listener.agent.enqueue("x", user=user, policy="reject")
    with pytest.raises(TypeError, match="give session=, too"):
        listener.agent.enqueue("x", user=user, replaces=AgentExecution())


def test_delegated_run_takes_no_session(user):
    inner = Listener("inner")
    agent = DjangoAgent("outer", permission=AUTHENTICATED, model=scripted([call("ask")], "done"))

    @agent.tool(effects="delegate")
    async def ask(ctx: RunContext[DjangoDeps]) -> str:
        session = await asyncio.to_thread(start_session, ctx.deps.principal, "inner")
        return (await inner.agent.run("x", session=session)).output

    with registered(inner.agent), pytest.raises(ExecutionFailed) as caught:
        agent.run_sync("Go", user=user)
    assert isinstance(caught.value.__cause__, TypeError)


def test_idempotency_key_comes_before_the_policy(listener, session, user):
    options = {"user": user, "session": session, "idempotency_key": "k", "policy": "reject"}
    first = listener.agent.enqueue("one", **options)
    assert listener.agent.enqueue("one", **options) == first
    run_queued()
    assert listener.agent.run_sync("one", **options).output == "re: one"
    assert len(listener.given) == 1


@pytest.mark.parametrize("policy", ["enqueue", "reject", "interrupt"])
def test_message_that_is_sent_twice_at_once_is_one(listener, session, user, policy):
    options = {"user": user, "session": session, "idempotency_key": "k", "policy": policy}
    listener.agent.run_sync("before", user=user, session=session)  # makes the user's budgets, too
    held, overtaken, first = threading.Event(), threading.Event(), []

    def send():
        with override("en"), transaction.atomic():
            first.append(listener.agent.enqueue("one", **options))
            held.set()
            assert overtaken.wait(60)
        connection.close()

    def tell(execute, sql, *rest):
        if sql.startswith(("BEGIN", "UPDATE")):  # it has looked for an earlier one, and found none
            overtaken.set()
        return execute(sql, *rest)

    other = threading.Thread(target=send)
    other.start()
    assert held.wait(60)
    with override("en"), connection.execute_wrapper(tell):
        second = listener.agent.enqueue("one", **options)
    other.join()
    assert [second] == first
    assert statuses() == [("before", "completed"), ("one", "queued")]


# --- run and stream


def gated(gate):
    async def wait(messages):
        if texts(messages)[-1] == "wait":
            await opened(gate)

    return wait


def test_run_waits_for_its_turn(user):
    gate = threading.Event()
    listener = Listener(before=gated(gate))
    with registered(listener.agent):
        session = start_session(Principal.of(user), "listener")
        outcomes = []

        def run(prompt):
            outcomes.append(listener.agent.run_sync(prompt, user=user, session=session).output)

        threads = [threading.Thread(target=run, args=["wait"])]
        threads[0].start()
        until(lambda: listener.given)
        threads.append(threading.Thread(target=run, args=["after"]))
        threads[1].start()
        until(lambda: AgentExecution.objects.count() == 2)
        assert statuses() == [("wait", "running"), ("after", "queued")]
        assert run_queued() == []  # it is not for others
        gate.set()
        for thread in threads:
            thread.join()
    assert outcomes == ["re: wait", "re: after"]
    assert listener.told == [["wait"], ["wait", "re: wait", "after"]]


def test_run_that_waits_can_be_cancelled(user):
    gate = threading.Event()
    listener = Listener(before=gated(gate))
    with registered(listener.agent):
        session = start_session(Principal.of(user), "listener")
        running = threading.Thread(
            target=listener.agent.run_sync, args=["wait"], kwargs={"user": user, "session": session}
        )
        running.start()
        until(lambda: listener.given)
        errors = []

        def run():
            with pytest.raises(ExecutionCancelled) as caught:
                listener.agent.run_sync("after", user=user, session=session)
            errors.append(caught.value)

        waiting = threading.Thread(target=run)
        waiting.start()
        until(lambda: AgentExecution.objects.count() == 2)
        AgentExecution.objects.get(input_prompt="after").cancel()
        waiting.join()
        gate.set()
        running.join()
    assert [error.execution.input_prompt for error in errors] == ["after"]


def test_what_a_process_reserved_is_for_others_when_its_time_is_over(listener, session, user):
    execution = listener.agent.enqueue("one", user=user, session=session)
    AgentExecution.objects.update(run_after=timezone.now() + timedelta(seconds=20))
    assert claimable() == []
    with transaction.atomic():
        assert Claim(ids=[execution.pk]).claim("default") == []
    AgentExecution.objects.update(run_after=timezone.now())
    assert claimable() == ["one"]


def test_model_instance_and_live_deps_go_along(listener, session, user):
    result = listener.agent.run_sync("one", user=user, session=session, model=scripted("from the instance"))
    assert result.output == "from the instance"
    assert result.execution.run_after is None
    assert (result.execution.session_id, result.execution.attached) == (session.pk, True)


def test_stream_in_a_session(listener, session, user):
    async def watch():
        async with listener.agent.stream("one", user=user, session=session.pk) as events:
            seen = [event async for event in events]
        return seen, events.result.output

    seen, output = async_to_sync(watch)()
    assert seen and output == "re: one"
    assert AgentExecution.objects.get().session_id == session.pk


def test_async_run_in_a_session(listener, session, user):
    async def go():
        await listener.agent.aenqueue("one", user=user, session=session)
        await asyncio.to_thread(run_queued)
        return await listener.agent.run("two", user=user, session=session.pk)

    assert async_to_sync(go)().output == "re: two"
    assert listener.told[-1] == ["one", "re: one", "two"]


def test_answer_from_the_cache_is_for_the_same_history(user):
    listener = Listener(cache=300)
    with registered(listener.agent):
        sessions = [start_session(Principal.of(user), "listener") for _ in range(3)]
        for session, prompts in zip(sessions, (["a", "q", "z"], ["a", "q"], ["b", "q"]), strict=True):
            for prompt in prompts:
                listener.agent.run_sync(prompt, user=user, session=session)
    assert listener.told == [
        ["a"],
        ["a", "re: a", "q"],
        ["a", "re: a", "q", "re: q", "z"],
        ["b"],
        ["b", "re: b", "q"],
    ]
    cached = AgentExecution.objects.filter(from_cache=True).order_by("created_at")
    assert [(e.input_prompt, e.session_id) for e in cached] == [("a", sessions[1].pk), ("q", sessions[1].pk)]
    listener.agent.run_sync("new", user=user, session=sessions[1])
    assert listener.told[-1] == ["a", "re: a", "q", "re: q", "new"]


class InATestCase(TestCase):
    def test_sessions_work_in_the_tests_transaction(self):
        from django.contrib.auth import get_user_model

        user = get_user_model().objects.create_user("ada")
        listener = Listener()
        with registered(listener.agent):
            session = start_session(Principal.of(user), "listener")
            assert listener.agent.run_sync("one", user=user, session=session).output == "re: one"
            listener.agent.enqueue("two", user=user, session=session)
            (ran,) = run_queued()
            assert async_to_sync(listener.agent.run)("three", user=user, session=session).output == "re: three"
        assert ran.output_data == "re: two"
        assert listener.told[-1] == ["one", "re: one", "two", "re: two", "three"]
