"""What a page shows of executions, from the journal and from events."""

import json

import pytest
from pydantic import BaseModel
from pydantic_ai.messages import ModelResponse, TextPart, ThinkingPart
from pydantic_ai.models.function import DeltaThinkingPart, FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, ModelRetry
from retinue.agents.registry import registered
from retinue.approvals.decisions import deny
from retinue.approvals.models import Approval
from retinue.assistant.turns import turn_of, turns_of
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.sessions.lifecycle import start_session
from retinue.testing import run_queued
from retinue.types import Principal
from tests.scripted import call, scripted


def shop(*turns, name="shop", **options):
    agent = DjangoAgent(name, permission=AUTHENTICATED, model=scripted(*turns), **options)

    @agent.tool_plain(effects="none")
    def look(name: str) -> dict:
        if name == "nothing":
            raise ModelRetry("There is no nothing.")
        return {"name": name, "price": 5}

    @agent.tool_plain(approval=True)
    def buy(name: str) -> str:
        return f"bought {name}"

    return agent


def shown(turn):
    """The parts of a turn, each in a few words."""
    found = []
    for part in turn.parts:
        if part.kind == "tool_call":
            result = json.loads(part.result) if part.result.startswith("{") else part.result
            found.append((part.name, json.loads(part.arguments), part.outcome, result))
        else:
            found.append((part.kind, part.step, part.text.strip()))
    return found


CALLS = [
    ("look", {"name": "lamp"}, "success", {"name": "lamp", "price": 5}),
    ("look", {"name": "nothing"}, "retry", "There is no nothing."),
]


@pytest.fixture
def asked(ada):
    """Has an agent run for Ada, by itself or streamed; gives the turn."""

    def ask(agent, stream, session=None):
        with registered(agent):
            execution = agent.enqueue("Go", user=ada, stream=stream, session=session)
            run_queued()
        return turn_of(execution, user=ada, principal=Principal.of(ada))

    return ask


@pytest.mark.parametrize("stream", [False, True])
def test_answer_with_calls_in_their_order(asked, stream):
    calls = [call("look", "a", name="lamp"), call("look", "b", name="nothing")]
    agent = shop([TextPart("Let me see."), *calls], "It is 5.")
    turn = asked(agent, stream)
    assert shown(turn) == [("text", 0, "Let me see."), *CALLS, ("text", 1, "It is 5.")]
    assert (turn.is_open, turn.last_event_id, turn.resumed, turn.is_own) == (False, "", False, True)


def test_answer_is_that_of_the_execution(asked):
    turn = asked(shop("It is **5**."), False)
    AgentExecution.objects.update(output_data="It is *6*.")
    assert [part.text for part in turn_of(turn.execution).parts] == ["It is *6*."]


def test_ids_that_a_provider_uses_again(asked):
    agent = shop([call("look", "c1", name="lamp")], [call("look", "c1", name="chair")], "done")
    found = [part.result for part in asked(agent, True).parts if part.kind == "tool_call"]
    assert [json.loads(result)["name"] for result in found] == ["lamp", "chair"]


def test_structured_output_is_shown_as_json(asked):
    class Price(BaseModel):
        amount: int

    agent = shop([call("final_result", amount=5)], output_type=Price)
    turn = asked(agent, True)
    assert shown(turn) == [("text", 0, '```json\n{\n  "amount": 5\n}\n```')]


def test_failed_run_keeps_what_it_had_said(asked):
    def broken(messages):
        raise RuntimeError("a secret")

    agent = shop([TextPart("Let me see."), call("look", "a", name="lamp")], broken)
    for stream in (True, False):
        turn = asked(agent, stream)
        assert shown(turn) == [("text", 0, "Let me see."), CALLS[0]]
        assert "RuntimeError" in turn.error_message
        assert "secret" not in turn.error_message


def test_call_that_a_run_did_not_finish(asked, ada):
    """Nothing more comes: it does not stand there as if it went on."""

    class Wrong(Exception):
        pass

    agent = shop([call("look", "a", name="lamp"), call("break_it", "b")], "done")

    @agent.tool_plain(effects="none")
    def break_it() -> str:
        raise Wrong

    for stream in (True, False):
        turn = asked(agent, stream)
        assert turn.execution.status == "failed"
        assert [part.outcome for part in turn.parts if part.kind == "tool_call" and part.name == "break_it"] == [
            "unfinished"
        ]


def test_waiting_call_shows_its_question(asked, ada, people):
    turn = asked(shop([TextPart("I buy it."), call("buy", "b", name="lamp")], "done"), True)
    text, question = turn.parts
    approval = Approval.objects.get()
    assert (text.text.strip(), question.approval, question.may_decide, question.outcome) == (
        "I buy it.",
        approval,
        True,
        "",
    )
    assert (turn.is_open, turn.is_waiting) == (True, True)
    last = ExecutionEvent.objects.latest("epoch", "seq")
    assert turn.last_event_id == f"{last.epoch}-{last.seq}"
    assert turn_of(turn.execution, user=people("bob")).parts[1].may_decide is False
    assert turn_of(turn.execution).parts[1].may_decide is False


@pytest.mark.parametrize("stream", [False, True])
def test_denied_call_shows_the_note(asked, ada, stream):
    agent = shop([call("buy", "b", name="lamp")], "Then not.")
    turn = asked(agent, stream)
    deny(Approval.objects.get(), by=ada, note="Too dear.")
    run_queued(agent)
    assert shown(turn_of(turn.execution)) == [
        ("buy", {"name": "lamp"}, "denied", "Too dear."),
        ("text", 1, "Then not."),
    ]


def test_question_of_a_delegated_run_stands_at_the_end(asked, ada):
    helper = shop([call("buy", "b", name="lamp")], "done", name="helper")
    boss = DjangoAgent("boss", permission=AUTHENTICATED, model=scripted([call("delegate", "d")], "done"))

    @boss.tool_plain(effects="delegate")
    async def delegate() -> str:
        return (await helper.run("Buy it")).output

    with registered(helper):
        turn = asked(boss, True)
    delegated, question = turn.parts
    assert (delegated.name, delegated.approval) == ("delegate", None)
    assert (question.name, question.approval, question.may_decide) == ("buy", Approval.objects.get(), True)


def test_thoughts_are_told_apart(asked):
    async def stream(messages, info):
        yield {0: DeltaThinkingPart(content="Hm.")}
        yield "It is 5."

    def answer(messages, info):
        return ModelResponse(parts=[ThinkingPart("Hm."), TextPart("It is 5.")])

    agent = DjangoAgent("thinker", permission=AUTHENTICATED, model=FunctionModel(answer, stream_function=stream))
    for streamed in (True, False):
        assert shown(asked(agent, streamed)) == [("thinking", 0, "Hm."), ("text", 0, "It is 5.")]


def test_running_answer_is_shown_up_to_an_event(ada):
    session = start_session(Principal.of(ada), "assistant")
    execution = AgentExecution(
        agent_name="assistant", input_prompt="Go", principal_type="user", principal_key=str(ada.pk), status="running"
    )
    execution.root_id, execution.stream, execution.session = execution.id, True, session
    execution.save()
    events = [
        ("state", {"status": "running", "resumed": False}),
        ("text", {"step": 0, "offset": 0, "text": "One "}),
        ("tool_call", {"step": 0, "call_id": "a", "tool": "look", "arguments": {"name": "lamp"}}),
        ("tool_result", {"call_id": "a", "tool": "look", "outcome": "success", "content": "5", "cut": False}),
        ("text", {"step": 1, "offset": 0, "text": "Two two"}),
        ("state", {"status": "running", "resumed": True}),
        ("reset", {"step": 1}),
        ("text", {"step": 1, "offset": 0, "text": "Three"}),
        ("text", {"step": 1, "offset": 2, "text": "ree!"}),
    ]
    for seq, (kind, data) in enumerate(events, 1):
        ExecutionEvent.objects.create(
            execution=execution, epoch=1 + (seq > 5), seq=seq, kind=kind, data=json.dumps(data).encode()
        )
    (turn,) = turns_of(session)
    assert shown(turn) == [("text", 0, "One"), ("look", {"name": "lamp"}, "success", "5"), ("text", 1, "Three!")]
    assert (turn.last_event_id, turn.resumed, turn.is_open) == ("2-9", True, True)
    final = json.dumps({"status": "completed"}).encode()
    ExecutionEvent.objects.create(execution=execution, epoch=2, seq=10, kind="final", data=final)
    assert turns_of(session)[0].last_event_id == "2-9"


def test_what_a_site_redacted_is_left_out(asked):
    turn = asked(shop([call("look", "a", name="lamp")], "It is 5."), False)
    ExecutionStep.objects.update(payload=b"***")
    assert shown(turn_of(turn.execution)) == [("text", 0, "It is 5.")]


def test_replaced_messages_are_kept_apart(talk, assistant, ada):
    session = talk(ada, "One", "Two")
    first, second = session.executions.order_by("created_at")
    talk(ada, "Two!", session=session, replaces=second)
    third = session.executions.get(replaces=second)
    talk(ada, "Two?", session=session, replaces=third)
    turns = turns_of(session, principal=Principal.of(ada))
    assert [(turn.prompt, turn.is_last, turn.may_change) for turn in turns] == [
        ("One", False, False),
        ("Two?", True, True),
    ]
    assert [turn.versions for turn in turns] == [[], [third, second]]
    every = turns_of(session, replaced=True)
    assert [(turn.prompt, turn.is_replaced) for turn in every] == [
        ("One", False),
        ("Two", True),
        ("Two!", True),
        ("Two?", False),
    ]
    assert turn_of(second).is_replaced
    assert turn_of(first).versions == []
