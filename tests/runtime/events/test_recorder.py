"""What a run tells, as it is stored: exact sequences."""

import asyncio
import json
import re
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from asgiref.sync import async_to_sync
from django.db import DataError
from pydantic import BaseModel
from pydantic_ai.messages import TextPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel, FunctionStreamedResponse

from retinue import AUTHENTICATED, DjangoAgent
from retinue.agents.registry import registered
from retinue.approvals.decisions import approve, deny
from retinue.approvals.models import Approval
from retinue.errors import InvalidInput
from retinue.executions.events import EventId
from retinue.executions.lifecycle import cancel, complete, fail
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.executions.transcript import text_so_far
from retinue.runtime import points
from retinue.runtime.events import recorder
from retinue.runtime.journal import ending, events
from retinue.runtime.journal.statements.endings import end_executions
from retinue.testing import run_queued
from tests import death
from tests.processes import witness
from tests.reader import Reader
from tests.runtime.events.agents import cached, tell, teller
from tests.runtime.events.conftest import count, stored, until_stored
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

BEGUN = ("state", {"status": "running", "resumed": False})
RESUMED = ("state", {"status": "running", "resumed": True})


def text(step, text, offset=0):
    return "text", {"step": step, "offset": offset, "text": text}


def thinking(step, text, offset=0):
    return "thinking", {"step": step, "offset": offset, "text": text}


def called(step, tool, call_id):
    return "tool_call", {"step": step, "call_id": call_id, "tool": tool, "arguments": {"label": str(step)}}


def gave(tool, call_id, content, outcome="success", cut=False):
    return "tool_result", {"call_id": call_id, "tool": tool, "outcome": outcome, "content": content, "cut": cut}


def final(execution, **other):
    execution.refresh_from_db()
    said = {
        "status": "completed",
        "answer": None,
        "output": None,
        "error_code": "",
        "error_message": "",
        "cost": None if execution.cost is None else float(execution.cost),
        "charge": None if execution.charge is None else float(execution.charge),
        "unit": "credits",
        "tokens": execution.tokens_used,
        "execution_time": execution.execution_time,
        "quality_score": None,
        "from_cache": False,
    }
    return "final", {**said, **other}


def voids(step, thought, said):
    """What else may have been told, and was not stored, is taken back."""
    return [thinking(step, "", offset=thought), text(step, "", offset=said), ("reset", {"step": step + 1})]


def test_text(stage):
    execution = stage.play("one two three")
    assert stored(execution) == [BEGUN, text(0, "one two three "), final(execution, answer="one two three ")]
    assert execution.answer == "one two three "


def test_thinking_and_text_count_apart(stage):
    execution = stage.play("~let ~me ~think one two")
    assert stored(execution) == [
        BEGUN,
        thinking(0, "let me think "),
        text(0, "one two "),
        final(execution, answer="one two "),
    ]


def test_thinking_between_texts(stage):
    execution = stage.play("one ~hm two")
    assert stored(execution) == [
        BEGUN,
        text(0, "one "),
        thinking(0, "hm "),
        text(0, "two ", offset=4),
        final(execution, answer=execution.answer),
    ]


def test_tools(stage):
    execution = stage.play("I note !note | and !note | done")
    assert stored(execution) == [
        BEGUN,
        text(0, "I note "),
        called(0, "note", "c2"),
        gave("note", "c2", "noted 0"),
        text(1, "and "),
        called(1, "note", "c1"),
        gave("note", "c1", "noted 1"),
        text(2, "done "),
        final(execution, answer="done "),
    ]


def test_call_id_that_comes_again_in_a_later_answer(stage):
    execution = stage.play("!note | !note | done")
    assert stored(execution)[1:-2] == [
        called(0, "note", "c0"),
        gave("note", "c0", "noted 0"),
        called(1, "note", "c0"),
        gave("note", "c0", "noted 1"),
    ]


def test_long_result_is_cut(stage):
    execution = stage.play("!long | done")
    assert stored(execution)[2] == gave("long", "c0", "x" * recorder.LONGEST_RESULT, cut=True)


def test_results_that_are_retried_or_of_no_tool(stage):
    execution = stage.play("!wrong | !missing | done")
    kinds = [(kind, content.get("outcome")) for kind, content in stored(execution)]
    assert kinds == [
        ("state", None),
        ("tool_call", None),
        ("tool_result", "retry"),
        ("tool_call", None),
        ("tool_result", "retry"),
        ("text", None),
        ("final", None),
    ]
    assert "Not like that." in json.dumps(stored(execution)[2][1]["content"])


@pytest.mark.parametrize("approved", [True, False])
def test_approval(stage, user, approved):
    execution = stage.play("I sell !sell | done")
    (approval,) = Approval.objects.all()
    question = {"id": str(approval.pk), "call_id": "c2", "tool": "sell", "arguments": {"label": "0"}}
    waits = [
        BEGUN,
        text(0, "I sell "),
        called(0, "sell", "c2"),
        ("state", {"status": "waiting", "resumed": False, "approvals": [question]}),
    ]
    assert stored(execution) == waits
    if approved:
        approve(approval, by=user)
    else:
        deny(approval, by=user, note="No.")
    run_queued()
    result = gave("sell", "c2", "sold 0") if approved else gave("sell", "c2", "No.", outcome="denied")
    assert stored(execution) == [*waits, BEGUN, result, text(1, "done "), final(execution, answer="done ")]
    assert {id.epoch for id in ids(execution)} == {1, 2}


def test_failure(stage):
    execution = stage.play("one two ^")
    assert execution.status == "failed"
    assert stored(execution) == [
        BEGUN,
        text(0, "one two "),
        final(execution, status="failed", error_code=execution.error_code, error_message=execution.error_message),
    ]
    assert "secret" not in execution.error_message
    assert text_so_far("default", execution.pk) == "one two "


ENDINGS = {
    "cancelled": (cancel, {"error_code": "cancelled", "error_message": "The run was cancelled."}),
    "failed": (lambda e: fail(e, "stopped", "Stopped."), {"error_code": "stopped", "error_message": "Stopped."}),
    "completed": (lambda e: complete(e, "so be it"), {"answer": "so be it"}),
}


@pytest.mark.parametrize("status", ENDINGS)
def test_end_from_outside(stage, status):
    end, said = ENDINGS[status]
    execution = stage.enqueue("one two @never three")
    working = stage.work()
    until_stored(execution, "one two ")
    assert end(execution)
    assert stored(execution) == [
        BEGUN,
        text(0, "one two "),
        *voids(0, thought=0, said=8),
        final(execution, status=status, **said),
    ]
    working.join()
    assert stored(execution)[-1][0] == "final"  # and nothing after it


def test_end_before_it_began(stage):
    execution = stage.enqueue("one")
    assert cancel(execution)
    said = final(execution, status="cancelled", **ENDINGS["cancelled"][1])
    assert [(event.epoch, event.seq) for event in ExecutionEvent.objects.all()] == [(1, 1)]
    assert stored(execution) == [said]


def test_structured_output(stage):
    class Verdict(BaseModel):
        good: bool

    async def answer(messages, info):
        yield {0: DeltaToolCall(info.output_tools[0].name, '{"good": true}', tool_call_id="c1")}

    judge = DjangoAgent(
        "judge", permission=AUTHENTICATED, output_type=Verdict, model=FunctionModel(stream_function=answer)
    )
    with registered(judge):
        execution = stage.play("Go", judge)
    assert stored(execution) == [BEGUN, final(execution, answer=execution.answer, output={"good": True})]


def test_answer_from_the_cache(stage):
    first = stage.play("one two", cached)
    second = stage.play("one two", cached)
    assert stored(first) == [BEGUN, text(0, "one two "), final(first, answer="one two ")]
    assert stored(second) == [BEGUN, text(0, "one two "), final(second, answer="one two ", from_cache=True)]


def test_delegated_run_says_nothing_of_its_own(stage):
    execution = stage.play("I ask !ask | done")
    (child,) = AgentExecution.objects.exclude(parent=None)
    assert child.answer == "I am your child"
    assert stored(execution) == [
        BEGUN,
        text(0, "I ask "),
        called(0, "ask", "c2"),
        gave("ask", "c2", "I am your child"),
        text(1, "done "),
        final(execution, answer="done "),
    ]
    assert count(child) == 0


def test_run_that_is_not_streamed_stores_nothing(stage):
    assert count(stage.play("one", stream=False)) == 0


def test_agent_that_is_watched_by_its_caller_stores_too(stage):
    async def go():
        async with teller.stream("one two", user=stage.user) as events:
            return [event async for event in events]

    assert async_to_sync(go)()
    execution = AgentExecution.objects.get()
    assert stored(execution) == [BEGUN, text(0, "one two "), final(execution, answer="one two ")]


@pytest.mark.parametrize(
    ("said", "is_stored"),
    [
        ("a\x00b", "a\u2400b "),
        ("👩‍🚀" * 3, "👩‍🚀" * 3 + " "),
        ("\u202eesrever", "\u202eesrever "),
        ("x" * 1_000_000, "x" * 1_000_000 + " "),
    ],
    ids=["nul", "emoji", "override", "long"],
)
def test_text_of_every_kind(stage, said, is_stored):
    async def say(messages, info):
        for begin in range(0, len(said), 1000):
            yield said[begin : begin + 1000]
        yield " "

    odd = DjangoAgent("odd", permission=AUTHENTICATED, model=FunctionModel(stream_function=say))
    with registered(odd):
        execution = stage.play("Go", odd)
    assert stored(execution) == [BEGUN, text(0, is_stored), final(execution, answer=is_stored)]
    assert execution.answer == is_stored


# How much is stored at once


def ids(execution):
    """The places of the events: without a gap, and each epoch from 1 on."""
    found = [EventId(*pair) for pair in execution.events.order_by("epoch", "seq").values_list("epoch", "seq")]
    for before, after in pairwise([EventId(0, 0), *found]):
        assert after in (EventId(before.epoch, before.seq + 1), EventId(before.epoch + 1, 1))
    return found


def texts(execution):
    """Each stored text by itself."""
    return [event.content["text"] for event in execution.events.filter(kind="text").order_by("epoch", "seq")]


def test_first_words_are_stored_at_once_and_the_rest_together(stage, monkeypatch):
    monkeypatch.setattr(recorder, "STORE_SECONDS", 3600.0)
    execution = stage.enqueue("one @a two three !note | four @b five six")
    working = stage.work()
    until_stored(execution, "one ")
    stage.open("a")
    until_stored(execution, "one two three \n\nfour ")
    stage.open("b")
    working.join()
    assert texts(execution) == ["one ", "two three ", "four ", "five six "]
    assert len(ids(execution)) == 8


def test_text_is_stored_after_its_time_though_nothing_follows(stage):
    execution = stage.enqueue("one two three @a four")
    working = stage.work()
    until_stored(execution, "one two three ")
    assert texts(execution) == ["one ", "two three "]
    stage.open("a")
    working.join()
    assert texts(execution) == ["one ", "two three ", "four "]


def test_what_was_said_last_is_told_though_the_database_refuses_the_end(stage, monkeypatch):
    monkeypatch.setattr(recorder, "STORE_SECONDS", 3600.0)

    def refuse(alias, endings, *given):
        if any(each.status == "completed" for each in endings):
            raise DataError("out of range")
        return end_executions(alias, endings, *given)

    monkeypatch.setattr(ending, "end_executions", refuse)
    execution = stage.play("one two three")
    said = final(execution, status="failed", error_code="error", error_message=execution.error_message)
    assert stored(execution) == [BEGUN, text(0, "one two three "), said]


def halves(*words):
    async def answer(messages, info):
        for word in words:
            yield word

    return DjangoAgent("halves", permission=AUTHENTICATED, model=FunctionModel(stream_function=answer))


def test_emoji_that_comes_in_halves(stage):
    """As from a proxy that cuts texts by UTF-16 units. Somebody watches, so it is told before it is stored, too."""
    with registered(agent := halves("smile \ud83d", "\ude00 more")):
        execution = stage.enqueue("Go", agent)
        watching = stage.watch(execution)
        stage.work()
        reader = watching.end()
    execution.refresh_from_db()
    assert (execution.status, execution.answer) == ("completed", "smile \ufffd\ufffd more")
    assert reader.text == text_so_far("default", execution.pk) == execution.answer


def test_error_that_cannot_be_written_as_it_is(stage):
    async def answer(messages, info):
        raise InvalidInput("bad \ud83d")
        yield

    with registered(agent := DjangoAgent("bad", permission=AUTHENTICATED, model=FunctionModel(stream_function=answer))):
        execution = stage.play("Go", agent)
    assert (execution.status, execution.error_message) == ("failed", "bad \ufffd")


def test_numbers_that_are_none(stage):
    """A client's JSON knows neither NaN nor infinity."""

    async def answer(messages, info):
        yield "done" if len(messages) > 1 else {0: DeltaToolCall("mean", "{}", tool_call_id="c1")}

    agent = DjangoAgent("means", permission=AUTHENTICATED, model=FunctionModel(stream_function=answer))
    agent.tool_plain(effects="none")(mean)
    with registered(agent):
        execution = stage.play("Go", agent)
    assert gave("mean", "c1", {"mean": None}) in stored(execution)


def mean() -> dict[str, float]:
    return {"mean": float("nan")}


def test_how_often_it_is_told_and_stored():
    assert (recorder.LIVE_SECONDS, recorder.STORE_SECONDS) == (0.05, 0.15)


def test_nothing_is_told_any_more_before_it_is_stored_once_something_was_not(stage, monkeypatch):
    refused = b""

    def refuse(alias, rows):
        nonlocal refused
        refused += b"".join(event.data for _, event in rows)
        raise DataError("out of range")

    class Lenient(Reader):
        def complain(self, kind, sentence):
            """Something is missing, and it is known what."""

    monkeypatch.setattr(recorder, "STORE_SECONDS", 0.0)
    execution = stage.enqueue("one @a two @b three @c four")
    watching = stage.watch(execution, Lenient())
    stage.work()
    until_stored(execution, "one ")
    monkeypatch.setattr(events, "insert_events", refuse)
    stage.open("a")
    until(lambda: b"two" in refused)
    stage.open("b")
    until(lambda: b"three" in refused)  # that the first was refused is known for certain then
    stage.open("c")
    texts = [content["text"] for content in watching.end().of("text")]
    assert texts[:2] == ["one ", "two "]
    assert "four " not in texts


def test_nothing_is_written_for_each_delta(stage, monkeypatch):
    """The journal's writes are those of a run that is not streamed, and those of the batches."""
    monkeypatch.setattr(recorder, "STORE_SECONDS", 3600.0)
    commits = []
    with death.at(commits.append):
        stage.play("word " * 500 + "end")
        streamed = commits.count(points.AFTER_JOURNAL_COMMIT)
        commits.clear()
        stage.play("word " * 500 + "end", stream=False)
    assert streamed <= commits.count(points.AFTER_JOURNAL_COMMIT) + 2  # that it runs, and the first words


# What a site takes out


def without_numbers(kind, payload):
    return re.sub(rb"\d+ ", b"[a number] ", payload)


def test_redaction(stage, settings):
    settings.RETINUE = {"REDACT": f"{__name__}.without_numbers"}
    execution = stage.enqueue("call 0800 @a or 0900 @b now")
    watching = stage.watch(execution)
    working = stage.work()
    until_stored(execution, "call [a number] ")
    newcomer = stage.watch(execution)
    until(lambda: newcomer.reader.text == "call [a number] ")
    stage.open("a", "b")
    working.join()
    said = "call [a number] or [a number] now "
    assert text_so_far("default", execution.pk) == said
    assert [watching.end().text, newcomer.end().text] == [said, said]
    assert (watching.reader.live, newcomer.reader.live) == (0, 0)


def test_redaction_of_what_is_told_again_after_a_kill(stage, settings, monkeypatch):
    settings.RETINUE = {"REDACT": f"{__name__}.without_numbers"}
    monkeypatch.setattr(recorder, "STORE_SECONDS", 3600.0)
    execution = stage.enqueue("11 22 33 !note | done")
    with death.at(death.after_steps(1)), pytest.raises(death.Died):
        run_queued()
    death.orphaned()
    run_queued()
    assert text_so_far("default", execution.pk) == "[a number] [a number] [a number] \n\ndone "


# A part that begins again


class Restarting(FunctionStreamedResponse):
    async def _get_event_iterator(self):
        parts = self._parts_manager
        for event in parts.handle_text_delta(vendor_part_id="a", content="Well, "):
            yield event
        yield parts.handle_part(vendor_part_id="b", part=TextPart("I think so. "))
        await self._wait("wrong")
        yield parts.handle_part(vendor_part_id="b", part=TextPart("I do "))
        for event in parts.handle_text_delta(vendor_part_id="b", content="not."):
            yield event

    async def _wait(self, gate):
        while not (witness.folder() / gate).exists():
            await asyncio.sleep(0.005)


class RestartingModel(FunctionModel):
    @asynccontextmanager
    async def request_stream(self, messages, settings, parameters, context=None):
        async def nothing():
            yield ""

        yield Restarting(model_request_parameters=parameters, _model_name="restarting", _iter=nothing())


def test_part_that_begins_again(stage):
    restarting = DjangoAgent(
        "restarting", permission=AUTHENTICATED, model=RestartingModel(stream_function=tell, model_name="restarting")
    )
    with registered(restarting):
        execution = stage.enqueue("Go", restarting)
        early = stage.watch(execution)
        working = stage.work()
        until(lambda: early.reader.text == "Well, I think so. ")
        late = stage.watch(execution)
        until(lambda: late.reader.text == "Well, I think so. ")
        stage.open("wrong")
        working.join()
    execution.refresh_from_db()
    assert execution.answer == "Well, I do not."
    assert text_so_far("default", execution.pk) == execution.answer
    assert [early.end().text, late.end().text] == [execution.answer] * 2
