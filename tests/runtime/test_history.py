"""What a message of a session is answered with: what was said before, as much as there is room for."""

from time import sleep

import pytest
from django.utils import timezone
from pydantic import BaseModel
from pydantic_ai import ModelRetry
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import FunctionModel

from retinue import AUTHENTICATED, DjangoAgent
from retinue.agents.registry import registered
from retinue.approvals.models import Approval
from retinue.errors import ExecutionFailed
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.runtime import points
from retinue.runtime.history import gather
from retinue.sessions.lifecycle import start_session
from retinue.testing import run_queued
from retinue.types import Principal
from tests import death
from tests.histories import Listener, fault, texts
from tests.scripted import call, scripted

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_what_it_is_given_is_in_the_journal_before_it_is_asked(user, monkeypatch):
    # Long enough for a model to be asked that does not wait for the commit.
    monkeypatch.setattr(points, "hook", lambda point: sleep(0.1) if point == points.BEFORE_JOURNAL_COMMIT else None)
    there = []

    async def look_up(messages):
        there.append(await ExecutionStep.objects.filter(key="note:history").acount())

    listener = Listener(before=look_up)
    with registered(listener.agent):
        session = start_session(Principal.of(user), "listener")
        for prompt in ("one", "two"):
            listener.agent.run_sync(prompt, user=user, session=session)
    assert there == [0, 1]


def test_run_without_a_session_writes_no_notes(listener, user):
    listener.agent.run_sync("one", user=user)
    assert list(ExecutionStep.objects.values_list("key", flat=True)) == ["model"]


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
        execution = listener.agent.enqueue(f"{end} {said}", user=user, session=session, stream=True)
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


def test_what_a_run_without_events_had_said_counts(listener, session, user):
    """It is in the journal, as far as the model had said it to its end."""
    listener.model = scripted([TextPart("Wait."), call("pay")], "Paid.")

    @listener.agent.tool_plain(approval=True)
    def pay() -> str:
        return "paid"

    with listener.agent.override(model=listener.model):
        listener.agent.enqueue("pay", user=user, session=session)
        (waiting,) = run_queued()
    waiting.cancel()
    listener.agent.run_sync("now", user=user, session=session)
    assert listener.told == [["pay", "Wait.\n\n[The answer was interrupted here.]", "now"]]


TURNS = {
    "think": [[ThinkingPart("hm")], "thought"],
    "say nothing": ["", "something"],
    "say little": [" "],
    "pay": [[TextPart(""), call("pay")], "paid"],
    "pay nothing": [[call("pay", "c2")], "not paid"],
    "do both": [[call("pay", "a"), call("look", "b", at="x"), ToolCallPart("pay", "{}", "c")], "both"],
    "try again": [[call("look", "d", at="")], [call("look", "e", at="x")], "tried"],
    "break": [[ToolCallPart("look", '{"at": ', "f")], [call("nothing", "g")], "mended"],
    "repeat": [[call("look", "same", at="x")], [call("look", "same", at="y")], "repeated"],
    "last": ["done"],
}
"""What a model says, by the prompt: one after another."""


def answer_of_its_turn(messages, info):
    prompts = [n for n, message in enumerate(messages) if set(texts([message])) & set(TURNS)]
    turn = TURNS[texts([messages[prompts[-1]]])[-1]][(len(messages) - prompts[-1]) // 2]
    return ModelResponse([TextPart(turn)] if isinstance(turn, str) else turn)


def test_whatever_a_turn_was_like_the_next_is_given_a_valid_history(user):
    given = []

    def answer(messages, info):
        given.append(list(messages))
        return answer_of_its_turn(messages, info)

    agent = DjangoAgent("odd", permission=AUTHENTICATED, model=FunctionModel(answer))

    @agent.tool_plain(approval=True)
    def pay() -> str:
        return "paid"

    @agent.tool_plain(effects="none")
    def look(at: str) -> str:
        if not at:
            raise ModelRetry("Where?")
        return f"seen {at}"

    with registered(agent):
        session = start_session(Principal.of(user), "odd")
        for prompt in TURNS:
            execution = agent.enqueue(prompt, user=user, session=session)
            run_queued()
            for approval in Approval.objects.filter(execution=execution):
                approval.deny(by=user) if prompt == "pay nothing" else approval.approve(by=user)
            run_queued()
            execution.refresh_from_db()
            assert execution.output_data == TURNS[prompt][-1]
            assert fault([*gather("default", execution).messages, ModelRequest.user_text_prompt("x")]) is None
    assert (
        texts(given[-1]) == [text for prompt, turn in TURNS.items() for text in (prompt, turn[-1].strip() or "…")][:-1]
    )


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
    settings.RETINUE = {"REDACT": "tests.runtime.test_history.blacken"}
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
