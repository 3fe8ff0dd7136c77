"""Messages of a session: one at a time, each with what was said before."""

import asyncio
import re
import threading
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import TestCase
from django.utils import timezone
from pydantic import BaseModel
from pydantic_ai.messages import ModelRequest, SystemPromptPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

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
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.runtime.history import gather
from retinue.runtime.journal.claim import Claim
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.testing import run_queued
from retinue.types import Principal, time_ordered_uuid
from retinue.workers.sweep import has_queued
from tests import death
from tests.histories import Listener, fault, texts
from tests.scripted import call, scripted
from tests.waiting import opened, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener():
    listener = Listener()
    with registered(listener.agent):
        yield listener


@pytest.fixture
def session(listener, user):
    return start_session(Principal.of(user), "listener", context={"shop": 3, "lang": "en"})


def statuses():
    return list(AgentExecution.objects.filter(parent=None).order_by("created_at").values_list("input_prompt", "status"))


def claimable():
    """The prompts that a worker could begin with now."""
    rows = Claim(limit=100).candidates("default", timezone.now())
    assert has_queued("default", (), ()) == rows.exists()
    return list(rows.order_by("created_at").values_list("input_prompt", flat=True))


# --- what the model is given


def test_each_message_is_given_what_was_said_before(listener, session, user):
    for prompt in ("one", "look two", "three"):
        listener.agent.run_sync(prompt, user=user, session=session)
    assert listener.told == [
        ["one"],
        ["one", "re: one", "look two"],
        ["one", "re: one", "look two"],
        ["one", "re: one", "look two", "re: look two", "three"],
    ]
    (result,) = [part for message in listener.given[-1] for part in message.parts if isinstance(part, ToolReturnPart)]
    assert result.content == "seen look two"


def test_what_it_was_given_and_what_it_added_are_in_the_journal(listener, session, user):
    for prompt in ("one", "two"):
        listener.agent.run_sync(prompt, user=user, session=session)
    first, second = AgentExecution.objects.order_by("created_at")
    assert set(first.steps.values_list("key", flat=True)) == {"model", "note:messages"}
    keys = set(second.steps.values_list("key", "kind"))
    assert keys == {("note:history", "note"), ("model", "model"), ("note:messages", "note")}
    assert second.steps.get(key="note:history").content["messages"] == first.steps.get(key="note:messages").content
    assert second.steps.get(key="note:history").content["summary"] is None


def test_run_without_a_session_writes_no_notes(listener, user):
    listener.agent.run_sync("one", user=user)
    assert list(ExecutionStep.objects.values_list("key", flat=True)) == ["model"]


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


def test_system_prompt_is_given_once_however_much_is_cut(user, settings):
    listener = Listener(system_prompt="Be kind.", instructions="Be brief.")
    with registered(listener.agent):
        session = start_session(Principal.of(user), "listener")
        for tokens in (8000, 8000, 100):
            settings.RETINUE = {"SESSION_HISTORY_TOKENS": tokens}
            listener.agent.run_sync("a prompt of some length that takes room", user=user, session=session)
    given = [[p.content for m in told for p in m.parts if isinstance(p, SystemPromptPart)] for told in listener.given]
    assert given == [["Be kind."]] * 3
    assert [messages[-1].instructions for messages in listener.given] == ["Be brief."] * 3
    assert [len(told) for told in listener.told] == [1, 3, 3]


class Mood(BaseModel):
    word: str


def test_structured_answer_is_followed_by_its_text(user):
    given = []

    def answer(messages):
        given.append(messages)
        return [call("final_result", f"f{len(messages)}", word="glad")]

    agent = DjangoAgent("moody", permission=AUTHENTICATED, output_type=Mood, model=scripted(*[answer] * 9))
    with registered(agent):
        session = start_session(Principal.of(user), "moody")
        for prompt in ("one", "two", "three"):
            assert agent.run_sync(prompt, user=user, session=session).output == Mood(word="glad")
    assert [fault(messages) for messages in given] == [None] * 3
    assert texts(given[-1]) == ["one", '{"word": "glad"}', "two", '{"word": "glad"}', "three"]


def test_run_that_was_completed_from_outside_is_told_by_its_answer(listener, session, user):
    execution = listener.agent.enqueue("one", user=user, session=session)
    AgentExecution.objects.update(status="running", started_at=timezone.now())
    execution.mark_completed({"said": "by hand"})
    listener.agent.run_sync("two", user=user, session=session)
    assert listener.told == [["one", '{"said": "by hand"}', "two"]]


def say(execution, text):
    ExecutionEvent.objects.create(
        execution=execution, epoch=1, seq=1, kind="text", data=f'{{"step": 0, "offset": 0, "text": "{text}"}}'.encode()
    )


def test_what_was_said_before_the_end_counts(listener, session, user):
    """A run that was cancelled counts with its prompt, one that failed only if it had said something."""
    for end, said in (("cancel", "so f"), ("cancel", ""), ("fail", "half"), ("fail", "")):
        execution = listener.agent.enqueue(f"{end} {said}", user=user, session=session)
        if said:
            say(execution, said)
        execution.cancel() if end == "cancel" else execution.mark_failed("error", "It broke.")
    listener.agent.run_sync("now", user=user, session=session)
    assert listener.told == [
        [
            "cancel so f",
            "so f\n\n[The answer was interrupted here.]",
            "cancel ",
            "[The answer was interrupted here.]",
            "fail half",
            "half\n\n[The answer broke off here.]",
            "now",
        ]
    ]


def test_what_was_done_before_the_end_counts(listener, session, user):
    """A model that is not told of it would do it again."""

    async def break_down(messages):
        if len(messages) == 3:  # the tool has answered
            raise RuntimeError("no more")

    listener.before = break_down
    with pytest.raises(ExecutionFailed):
        listener.agent.run_sync("look around", user=user, session=session)
    listener.before = None
    listener.agent.run_sync("now", user=user, session=session)
    assert listener.told[-1] == [
        "look around",
        "[The answer broke off here.]\n\n"
        "[Tools that were called by then, with their results:]\n"
        '- look: {"return":"seen look around"}',
        "now",
    ]


def test_redacted_conversation_goes_on(listener, session, user, settings):
    settings.RETINUE = {"REDACT": "tests.runtime.test_sessions.blacken"}
    for prompt in ("one", "two"):
        listener.agent.run_sync(prompt, user=user, session=session)
    assert listener.told[-1] == ["one", "re: one", "two"]
    notes = ExecutionStep.objects.filter(kind="note").values_list("payload", flat=True)
    assert [bytes(payload) for payload in notes] == [b"[gone]"] * 3


def blacken(kind, payload):
    return b"[gone]" if kind == "note" else payload


# --- how much of it


def test_oldest_turns_go_first(listener, session, user, settings):
    for number in range(6):
        listener.agent.run_sync(f"look {number} {'word ' * 20}", user=user, session=session)
    settings.RETINUE = {"SESSION_HISTORY_TOKENS": 600}
    listener.agent.run_sync("now", user=user, session=session)
    told = listener.told[-1]
    assert [text[:6] for text in told[::2]] == ["look 4", "look 5", "now"]


def test_turn_that_is_too_long_is_told_without_its_calls(listener, session, user, settings):
    listener.agent.run_sync(f"look {'word ' * 20}", user=user, session=session)
    settings.RETINUE = {"SESSION_HISTORY_TOKENS": 150}
    listener.agent.run_sync("now", user=user, session=session)
    assert len(listener.given[-1]) == 3
    assert [len(text) for text in listener.told[-1]] == [105, 109, 3]


def test_nothing_is_told_where_nothing_fits(listener, session, user, settings):
    settings.RETINUE = {"SESSION_HISTORY_TOKENS": 10}
    for prompt in ("one", "two"):
        listener.agent.run_sync(prompt, user=user, session=session)
    assert listener.told == [["one"], ["two"]]


def test_long_conversation_is_read_only_as_far_as_it_fits(listener, session, user, settings, django_assert_num_queries):
    for number in range(45):
        listener.agent.run_sync(f"{number}", user=user, session=session)
    last = AgentExecution.objects.latest("created_at")
    settings.RETINUE = {"SESSION_HISTORY_TOKENS": 200}
    with django_assert_num_queries(2):
        assert len(gather("default", last).turns) == 6
    settings.RETINUE = {"SESSION_HISTORY_TOKENS": 100_000}
    with django_assert_num_queries(7):
        told = gather("default", last)
    assert texts(told.messages)[::2] == [str(number) for number in range(44)]


# --- summaries


class Summing(Listener):
    """Sums up by naming the prompts it is given."""

    def __init__(self):
        self.asked = []
        super().__init__()
        inner = self.model

        async def answer(messages, info):
            if "You sum up" not in (info.instructions or ""):
                return await inner.function(messages, info)
            self.asked.append(texts(messages)[-1])
            return scripted(f"summary {len(self.asked)}").function(messages, info)

        self.agent.model = FunctionModel(answer)


@pytest.fixture
def summing(settings):
    settings.RETINUE = {"SESSION_HISTORY": "summarise", "SESSION_HISTORY_TOKENS": 400}
    summing = Summing()
    with registered(summing.agent):
        yield summing


LONG = "word " * 20


def test_what_does_not_fit_is_summed_up(summing, user):
    session = start_session(Principal.of(user), "listener")
    for number in range(8):
        summing.agent.run_sync(f"{number} {LONG}", user=user, session=session)
    first, *_ = summing.asked
    assert first.startswith(f"User: 0 {LONG}\n\nAssistant: re: 0")
    last = summing.told[-1]
    assert last[:2] == ["What was said before, in short:\n\n" + f"summary {len(summing.asked)}", "Noted."]
    assert [text[:1] for text in last[2::2]] == ["6", "7"] or [text[:1] for text in last[2::2]] == ["5", "6", "7"]
    children = AgentExecution.objects.exclude(parent=None)
    assert {child.agent_name for child in children} == {"retinue_summary"}
    assert {child.parent.session_id for child in children} == {session.pk}
    assert {child.status for child in children} == {"completed"}


def test_summary_is_used_again_and_extended(summing, user):
    session = start_session(Principal.of(user), "listener")
    for number in range(12):
        summing.agent.run_sync(f"{number} {LONG}", user=user, session=session)
    assert 2 <= len(summing.asked) < 8  # not for every message
    for number, asked in enumerate(summing.asked[1:], 1):
        assert asked.startswith(f"The summary so far:\n\nsummary {number}\n\n---\n\nUser: ")
    summed = [int(number) for asked in summing.asked for number in re.findall(r"User: (\d+)", asked)]
    assert summed == list(range(len(summed)))  # each of them once


def test_summary_that_fails_leaves_the_conversation_going(summing, user):
    session = start_session(Principal.of(user), "listener")

    def refuse(messages, info):
        if "You sum up" in (info.instructions or ""):
            raise RuntimeError("no")
        return scripted("fine").function(messages[:1], info)

    summing.agent.model = FunctionModel(refuse)
    for number in range(6):
        assert summing.agent.run_sync(f"{number} {LONG * 2}", user=user, session=session).output == "fine"
    assert AgentExecution.objects.filter(agent_name="retinue_summary", status="failed").exists()


def test_summary_of_what_was_replaced_is_not_used(summing, user):
    session = start_session(Principal.of(user), "listener")
    summing.agent.run_sync(f"0 {LONG * 5}", user=user, session=session)
    summing.agent.run_sync("1", user=user, session=session)
    assert len(summing.asked) == 1  # of message 0, for which there is no room
    AgentExecution.objects.filter(input_prompt="1").delete()
    summing.agent.run_sync("2", user=user, session=session, replaces=AgentExecution.objects.get(parent=None))
    assert (len(summing.asked), summing.told[-1]) == (1, ["2"])


# --- a resumed run


def test_resumed_run_asks_with_the_same_history(listener, session, user, settings):
    for prompt in ("one", "two"):
        listener.agent.run_sync(prompt, user=user, session=session)
    steps = ExecutionStep.objects.count()

    def hook(point):
        dying.dead = dying.dead or (point == "after-journal-commit" and ExecutionStep.objects.count() >= steps + 2)
        dying(point)

    dying = death.Death()
    with death.at(hook), pytest.raises(death.Died):
        listener.agent.run_sync("look three", user=user, session=session)
    AgentExecution.objects.filter(status="running").update(status="queued")
    settings.RETINUE = {"SESSION_HISTORY_TOKENS": 10}  # it is not worked out anew
    (ran,) = run_queued(listener.agent)
    assert (ran.status, ran.output_data) == ("completed", "re: look three")
    assert listener.told[-1] == ["one", "re: one", "two", "re: two", "look three"]
    assert len(listener.given) == 4


def test_summary_is_asked_for_once_however_often_the_run_is_resumed(summing, user):
    session = start_session(Principal.of(user), "listener")
    for number in range(8):
        summing.agent.run_sync(f"{number} {LONG}", user=user, session=session)
        if len(summing.asked) == 1:
            break
    replaced = AgentExecution.objects.filter(parent=None).latest("created_at")
    replaced.delete()
    AgentExecution.objects.filter(agent_name="retinue_summary").delete()

    def hook(point):
        done = AgentExecution.objects.filter(agent_name="retinue_summary", status="completed")
        dying.dead = dying.dead or (point == "after-journal-commit" and done.exists())
        dying(point)

    dying = death.Death()
    with death.at(hook), pytest.raises(death.Died):
        summing.agent.run_sync("again", user=user, session=session)
    assert not ExecutionStep.objects.filter(execution__input_prompt="again", key="note:history").exists()
    AgentExecution.objects.filter(status="running", parent=None).update(status="queued")
    (ran,) = run_queued(summing.agent)
    assert (ran.status, len(summing.asked)) == ("completed", 2)
    assert summing.told[-1][0] == "What was said before, in short:\n\nsummary 2"


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
