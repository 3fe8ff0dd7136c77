"""Answers that are given again, and questions that are asked at once, within a process."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import TestCase
from django.utils import timezone, translation
from pydantic import BaseModel
from pydantic_ai import ModelHTTPError
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel

from retinue import AUTHENTICATED, PUBLIC, DjangoAgent, DjangoDeps, Principal, RunContext
from retinue.agents.registry import registered
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.budgets import accounts
from retinue.budgets.models import Budget, BudgetPeriod, LedgerEntry
from retinue.errors import AgentPermissionDenied, ExecutionCancelled, ExecutionFailed, ExecutionWaiting
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime import cache_line
from retinue.runtime.cache_line import line_of
from retinue.runtime.loop.engine import get_engine
from retinue.runtime.response_cache import key_of
from retinue.runtime.run import Run
from retinue.runtime.submission import submission
from retinue.testing import run_queued
from tests.scripted import call, returned, scripted
from tests.shop.models import Note
from tests.waiting import opened, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_cache():
    """And the language that threads have: it is part of the question, and other tests leave theirs behind."""
    with translation.override("en-us"):
        yield
    cache.clear()


@dataclass(kw_only=True)
class PageDeps(DjangoDeps):
    page: int = 1


class Mood(BaseModel):
    word: str


class Asked:
    """A model that counts how often it is asked, and may be told to wait."""

    def __init__(self, *failures):
        self.times = 0
        self.gate = threading.Event()
        self.gate.set()
        self.failures = list(failures)

    async def __call__(self, messages, info):
        self.times += 1
        number = self.times
        await opened(self.gate)
        if self.failures:
            raise self.failures.pop(0)
        return ModelResponse(parts=[TextPart(f"answer {number}")])

    @property
    def model(self):
        return FunctionModel(self)


def oracle(model, **options):
    return DjangoAgent("oracle", **{"permission": AUTHENTICATED, "cache": 300, "model": model, **options})


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def other(db):
    return get_user_model().objects.create_user("bob", "bob@example.com", "secret")


def waiting():
    """How many runs of this process wait for the answer of another."""
    futures = line_of(get_engine().bridge).asked.values()
    return sum(len(future._callbacks or ()) for future in list(futures))


# --- what is the same question


def test_same_question_is_answered_once(user, asked):
    agent = oracle(asked.model)
    first, second = agent.run_sync("Why?", user=user), agent.run_sync("Why?", user=user)
    assert (first.output, first.from_cache) == ("answer 1", False)
    assert (second.output, second.from_cache) == ("answer 1", True)
    assert asked.times == 1
    one, two = AgentExecution.objects.order_by("created_at")
    assert (two.pk, two.output_data, two.status, two.from_cache) == (
        second.execution.pk,
        "answer 1",
        "completed",
        True,
    )
    assert (two.tokens_used, two.cost, two.charge) == (0, Decimal(0), Decimal(0))
    assert one.tokens_used > 0 and not one.from_cache
    assert not ExecutionStep.objects.filter(execution=two).exists()


def test_agent_that_does_not_ask_for_it_is_not_cached(user, asked):
    agent = oracle(asked.model, cache=None)
    assert [agent.run_sync("Why?", user=user).output for _ in range(2)] == ["answer 1", "answer 2"]


HISTORY = [ModelRequest(parts=[UserPromptPart("Hi")]), ModelResponse(parts=[TextPart("Hello")])]
MORE = [ModelRequest(parts=[UserPromptPart("Hi")]), ModelResponse(parts=[TextPart("Hello!")])]


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "Why not?"},
        {"deps": PageDeps(page=2)},
        {"deps": PageDeps(context={"theme": "dark"})},
        {"message_history": HISTORY},
        {"model_settings": {"temperature": 0.5}},
        {"max_credits": Decimal(10)},
    ],
    ids=lambda given: next(iter(given)),
)
def test_other_question_is_asked(user, asked, given):
    agent = oracle(asked.model, deps_type=PageDeps)
    agent.run_sync("Why?", user=user)
    options = {"prompt": "Why?", **given}
    result = agent.run_sync(options.pop("prompt"), user=user, **options)
    assert (result.from_cache, asked.times) == (False, 2)
    options = {"prompt": "Why?", **given}
    assert agent.run_sync(options.pop("prompt"), user=user, **options).from_cache


def test_other_language_is_asked(user, asked):
    agent = oracle(asked.model)
    agent.run_sync("Why?", user=user)
    with translation.override("de"):
        assert not agent.run_sync("Why?", user=user).from_cache
    assert asked.times == 2


def test_other_definition_is_asked(user, asked):
    oracle(asked.model).run_sync("Why?", user=user)
    assert not oracle(asked.model, instructions="Be brief.").run_sync("Why?", user=user).from_cache


def test_other_name_is_asked(user, asked):
    oracle(asked.model).run_sync("Why?", user=user)
    seer = DjangoAgent("seer", permission=AUTHENTICATED, cache=300, model=asked.model)
    assert not seer.run_sync("Why?", user=user).from_cache


def test_other_model_is_asked(user, settings):
    agent = DjangoAgent("plain", permission=AUTHENTICATED, cache=300)
    agent.run_sync("Hello", user=user)
    assert agent.run_sync("Hello", user=user).from_cache
    assert not agent.run_sync("Hello", user=user, model="offline:other").from_cache
    settings.RETINUE = {"MODEL": "offline:third"}
    assert not agent.run_sync("Hello", user=user).from_cache
    settings.RETINUE = {"MODEL": "mine", "MODELS": {"mine": "offline:default"}}
    assert not agent.run_sync("Hello", user=user).from_cache
    settings.RETINUE = {"MODEL": "mine", "MODELS": {"mine": "offline:other"}}
    assert not agent.run_sync("Hello", user=user).from_cache


def test_limits_and_times_do_not_change_the_question(user, asked):
    agent = oracle(asked.model)
    later = [ModelRequest(parts=[UserPromptPart("Hi", timestamp=timezone.now() + timedelta(days=1))]), HISTORY[1]]
    agent.run_sync("Why?", user=user, message_history=HISTORY)
    options = {"timeout": 9, "max_cost": Decimal(1), "usage_limits": None, "key": "k", "message_history": later}
    assert agent.run_sync("Why?", user=user, **options).from_cache


def test_never_another_users_answer(user, other, asked):
    agent = oracle(asked.model, permission=PUBLIC)
    for whom in (
        {"user": user},
        {"user": other},
        {"principal": Principal.guest(str(user.pk))},
        {"principal": Principal.guest("visitor")},
    ):
        assert not agent.run_sync("Why?", **whom).from_cache
        assert agent.run_sync("Why?", **whom).from_cache
    assert asked.times == 4


def test_key_is_the_same_in_every_process(user, tmp_path):
    """Whatever seed the process has for its hashes, and in whatever order things are given."""
    script = tmp_path / "key.py"
    script.write_text(
        "import django, sys; django.setup()\n"
        "from tests.runtime.test_response_cache import printed_key\n"
        "sys.stdout.write(printed_key(reverse=True))\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONHASHSEED": "1",
        "PYTHONPATH": os.getcwd(),
    }
    key = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True).stdout
    assert key == printed_key(reverse=False)
    assert key.startswith("retinue:answer:") and len(key) == 47


def printed_key(*, reverse):
    """The key of one question whose parts are given in this order."""
    agent = DjangoAgent("oracle", permission=AUTHENTICATED, cache=300, model="offline:default")
    context = {"a": 1, "b": {"c": [1, 2], "d": None}, "é": "ü"}
    names = reversed(context) if reverse else context
    deps = DjangoDeps(context={name: context[name] for name in names})
    given = submission(
        agent,
        "Why?",
        principal=Principal.guest("visitor"),
        deps=deps,
        options={"model_settings": {"temperature": 0.5}, "message_history": HISTORY},
    )
    execution = given.execution(attached=True)
    run = Run(execution=execution, token=execution.lease_token, principal=execution.principal, grants=None)
    return key_of(run, agent, execution.given["options"])


# --- who may have it


def test_permission_that_is_lost_is_refused(user, asked, grant, revoke):
    agent = oracle(asked.model, permission="shop.view_product")
    grant(user, "shop.view_product")
    agent.run_sync("Why?", user=user)
    revoke(user, "shop.view_product")
    with pytest.raises(AgentPermissionDenied):
        agent.run_sync("Why?", user=user)
    assert AgentExecution.objects.count() == 1


@pytest.mark.parametrize("begins_with", [True, False])
def test_answer_is_for_who_may_use_the_same_tools(user, grant, revoke, begins_with):
    """It may tell what a tool gave that the user may not use any more, or leave out what he may use now."""
    agent = oracle(scripted("done"))

    @agent.tool(effects="none", permission="shop.view_product")
    def look(ctx: RunContext[DjangoDeps]) -> str:
        return "seen"

    change = (grant, revoke) if begins_with is False else (revoke, grant)
    if begins_with:
        grant(user, "shop.view_product")
    agent.run_sync("Why?", user=user)
    assert agent.run_sync("Why?", user=user).from_cache
    change[0](user, "shop.view_product")
    assert not agent.run_sync("Why?", user=user).from_cache
    assert agent.run_sync("Why?", user=user).from_cache


def test_permission_that_is_lost_while_waiting_is_refused(user, asked, grant, revoke):
    agent = oracle(asked.model, permission="shop.view_product")
    grant(user, "shop.view_product")
    asked.gate.clear()
    threads, outcomes = start(agent, user, 2)
    until(lambda: waiting() == 1)
    revoke(user, "shop.view_product")
    asked.gate.set()
    finish(threads)
    assert sorted(map(str, outcomes)) == ["answer 1", f"user:{user.pk} may not run the agent 'oracle'."]
    assert AgentExecution.objects.get(status="failed").error_code == "permission_denied"


# --- what it costs


def test_cached_answer_takes_nothing_of_a_budget(user, asked):
    Budget.objects.create(owner_type="user", owner_key=str(user.pk), unit="requests", period="total", limit_steps=1)
    agent = oracle(asked.model)
    agent.run_sync("Why?", user=user)
    before = accounts.balance(user), list(LedgerEntry.objects.values()), list(BudgetPeriod.objects.values())
    assert len(before[1]) == 2  # held, settled
    result = agent.run_sync("Why?", user=user)
    assert result.from_cache and (result.cost, result.tokens_used) == (Decimal(0), 0)
    assert (
        accounts.balance(user),
        list(LedgerEntry.objects.values()),
        list(BudgetPeriod.objects.values()),
    ) == before
    with pytest.raises(Exception, match="budget"):
        agent.run_sync("Why not?", user=user)  # nothing is left for another question


# --- what is kept


def test_answer_expires(user, asked):
    agent = oracle(asked.model, cache=0.05)
    agent.run_sync("Why?", user=user)
    (key,) = [key for key in cache._cache if "retinue:answer" in key]
    until(lambda: cache.get(key.split(":", 2)[2]) is None)
    assert (agent.run_sync("Why?", user=user).from_cache, asked.times) == (False, 2)


def test_run_may_say_otherwise(user, asked):
    agent = oracle(asked.model)
    agent.run_sync("Why?", user=user)
    assert agent.run_sync("Why?", user=user, cache=False).output == "answer 2"
    assert agent.run_sync("Why?", user=user).output == "answer 1"
    plain = oracle(asked.model, cache=None)
    assert plain.run_sync("How?", user=user, cache=60).output == "answer 3"
    assert plain.run_sync("How?", user=user, cache=60).output == "answer 3"
    assert plain.run_sync("How?", user=user).output == "answer 4"


@pytest.mark.parametrize("value", [0, -1])
def test_seconds_must_be_some(value):
    with pytest.raises(ValueError, match="more than 0 seconds"):
        oracle(None, cache=value)


@pytest.mark.parametrize(("ttl", "expected"), [(0.001, "answer 2"), (300, "answer 1")])
def test_true_takes_the_time_from_the_settings(user, asked, settings, ttl, expected):
    settings.RETINUE = {**getattr(settings, "RETINUE", {}), "PRSM": {"CACHE_TTL": ttl}}
    agent = oracle(asked.model, cache=True)
    assert agent.run_sync("Why?", user=user).output == "answer 1"
    assert agent.run_sync("Why?", user=user).output == expected


@pytest.mark.parametrize("value", ["300"])
def test_seconds_must_be_a_number(user, asked, value):
    with pytest.raises(TypeError, match="a number of seconds"):
        oracle(None, cache=value)
    with pytest.raises(TypeError, match="a number of seconds"):
        oracle(asked.model).run_sync("Why?", user=user, cache=value)


def test_failure_is_not_kept(user):
    asked = Asked(ModelHTTPError(500, "m"))
    agent = oracle(asked.model)
    with pytest.raises(ExecutionFailed):
        agent.run_sync("Why?", user=user)
    assert agent.run_sync("Why?", user=user).output == "answer 2"
    assert agent.run_sync("Why?", user=user).from_cache


@pytest.mark.parametrize(("effects", "runs"), [("database", 2), ("external", 2), ("none", 1)])
def test_what_did_something_is_not_kept(user, effects, runs):
    agent, done = oracle(scripted([call("do")], lambda messages: returned(messages)[0])), []

    @agent.tool(effects=effects)
    def do(ctx: RunContext[DjangoDeps]) -> str:
        done.append(1)
        return f"done {len(done)}"

    outputs = [agent.run_sync("Do it", user=user).output for _ in range(2)]
    assert outputs == ["done 1", f"done {runs}"]
    assert len(done) == runs


def test_what_a_delegated_run_did_is_not_kept(user):
    writer = DjangoAgent("writer", permission=AUTHENTICATED, model=scripted([call("note")], "noted"))

    @writer.tool
    def note(ctx: RunContext[DjangoDeps]) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label="a")
        return "noted"

    chief = oracle(scripted([call("hand_over")], "done"))

    @chief.tool(effects="delegate")
    async def hand_over(ctx: RunContext[DjangoDeps]) -> str:
        return (await writer.run("Note it")).output

    assert not any(chief.run_sync("Do it", user=user).from_cache for _ in range(2))
    assert Note.objects.count() == 2


def test_what_a_person_approved_is_not_kept(user):
    agent = oracle(scripted([call("look")], "done"))

    @agent.tool(effects="none", approval=True)
    def look(ctx: RunContext[DjangoDeps]) -> str:
        return "seen"

    for _ in range(2):
        with pytest.raises(ExecutionWaiting):
            agent.run_sync("Look", user=user)
        approve(Approval.objects.get(status="pending"), by=user)
        (ran,) = run_queued(agent)
        assert (ran.status, ran.from_cache) == ("completed", False)


def test_typed_output_is_rebuilt(user):
    agent = oracle(scripted([call("final_result", word="glad")]), output_type=Mood)
    results = [agent.run_sync("How is it?", user=user) for _ in range(2)]
    assert [result.from_cache for result in results] == [False, True]
    assert [result.output for result in results] == [Mood(word="glad")] * 2


def test_output_that_cannot_be_rebuilt_is_not_kept(user):
    agent = oracle(scripted([call("final_result_Mood", word="glad")]), output_type=[Mood, int])
    assert [agent.run_sync("How is it?", user=user).output for _ in range(2)] == [Mood(word="glad")] * 2


def test_override_and_model_instance_have_no_name(user, asked):
    agent = oracle(asked.model)
    agent.run_sync("Why?", user=user)
    with agent.override(model=TestModel(custom_output_text="a test's")):
        assert agent.run_sync("Why?", user=user).output == "a test's"
    instance = TestModel(custom_output_text="an instance's")
    assert agent.run_sync("Why?", user=user, model=instance).output == "an instance's"
    assert agent.run_sync("Why?", user=user).output == "answer 1"


def test_conversation_goes_on_from_a_cached_answer(user, asked):
    agent = oracle(asked.model)
    agent.run_sync("Why?", user=user, message_history=HISTORY)
    messages = agent.run_sync("Why?", user=user, message_history=HISTORY).messages
    assert [part.content for message in messages for part in message.parts] == ["Hi", "Hello", "Why?", "answer 1"]
    assert agent.run_sync("And then?", user=user, message_history=messages).output == "answer 2"


def test_stream_of_a_cached_answer(user):
    agent = oracle(scripted("some words"))

    @async_to_sync
    async def watch():
        async with agent.stream("Why?", user=user) as events:
            seen = [event async for event in events]
        return seen, events.result

    watch()
    seen, result = watch()
    assert (result.output, result.from_cache) == ("some words ", True)
    assert isinstance(seen[0], PartStartEvent) and isinstance(seen[-1], PartEndEvent)
    assert seen[-1].part.content == "some words "


def test_enqueued_run_is_answered_too(user, asked):
    agent = oracle(asked.model)
    with registered(agent):
        agent.enqueue("Why?", user=user)
        agent.enqueue("Why?", user=user)
    ran = run_queued(agent)
    assert [(e.output_data, e.status, e.from_cache) for e in ran] == [
        ("answer 1", "completed", False),
        ("answer 1", "completed", True),
    ]
    assert agent.run_sync("Why?", user=user).from_cache


class InTestCase(TestCase):
    """In a test's own transaction and thread."""

    def test_same_question_is_answered_once(self):
        ada, asked = get_user_model().objects.create_user("ada"), Asked()
        agent = oracle(asked.model)
        assert [agent.run_sync("Why?", user=ada).from_cache for _ in range(2)] == [False, True]


# --- many at once


def start(agent, user, number):
    """So many identical runs, each with a caller of its own; and the list that gets their outputs or errors."""
    outcomes = []

    def ask():
        try:
            outcomes.append(agent.run_sync("Why?", user=user).output)
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads, outcomes


def finish(threads):
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_stampede_asks_once(user, asked):
    agent = oracle(asked.model)
    asked.gate.clear()

    async def stampede():
        runs = [asyncio.ensure_future(agent.run("Why?", user=user)) for _ in range(100)]
        while await AgentExecution.objects.filter(status="running").acount() < 100:
            await asyncio.sleep(0.01)
        while waiting() < 99:
            await asyncio.sleep(0.01)
        asked.gate.set()
        return await asyncio.gather(*runs)

    results = async_to_sync(stampede)()
    assert asked.times == 1
    assert [result.output for result in results] == ["answer 1"] * 100
    assert sum(result.from_cache for result in results) == 99
    assert AgentExecution.objects.filter(status="completed", from_cache=True).count() == 99
    assert ExecutionStep.objects.count() == 1


def test_one_of_those_that_wait_goes_on_after_a_failure(user):
    asked = Asked(ModelHTTPError(500, "m"))
    agent = oracle(asked.model)
    asked.gate.clear()
    threads, outcomes = start(agent, user, 10)
    until(lambda: waiting() == 9)
    asked.gate.set()
    finish(threads)
    assert sum(isinstance(outcome, ExecutionFailed) for outcome in outcomes) == 1
    assert outcomes.count("answer 2") == 9
    assert asked.times == 2
    assert AgentExecution.objects.filter(from_cache=True).count() == 8


def test_those_that_wait_all_go_on_after_a_run_that_did_something(user):
    inside, both, go = [], threading.Event(), threading.Event()

    async def answer(messages, info):
        if isinstance(messages[-1].parts[0], ToolReturnPart):
            inside.append(1)
            if len(inside) == 1:
                await opened(go)
            elif len(inside) == 5:
                both.set()
            else:
                await opened(both)  # the four go side by side
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[call("note")])

    agent = oracle(FunctionModel(answer))

    @agent.tool
    def note(ctx: RunContext[DjangoDeps]) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label="a")
        return "noted"

    threads, outcomes = start(agent, user, 5)
    until(lambda: inside and waiting() == 4)
    go.set()
    finish(threads)
    assert outcomes == ["done"] * 5
    assert Note.objects.count() == 5
    assert not AgentExecution.objects.filter(from_cache=True).exists()


def test_run_that_waits_can_be_cancelled(user, asked):
    agent = oracle(asked.model)
    asked.gate.clear()
    first, _ = start(agent, user, 1)
    until(lambda: asked.times == 1)
    second, outcomes = start(agent, user, 1)
    until(lambda: waiting() == 1)
    assert AgentExecution.objects.order_by("-created_at").first().cancel()
    finish(second)
    assert isinstance(outcomes[0], ExecutionCancelled)
    asked.gate.set()
    finish(first)
    assert sorted(AgentExecution.objects.values_list("status", flat=True)) == ["cancelled", "completed"]


def test_another_goes_on_when_the_run_that_asks_is_cancelled(user, asked):
    agent = oracle(asked.model)
    asked.gate.clear()
    first, outcomes = start(agent, user, 1)
    until(lambda: asked.times == 1)
    second, others = start(agent, user, 3)
    until(lambda: waiting() == 3)
    assert AgentExecution.objects.order_by("created_at").first().cancel()
    finish(first)
    until(lambda: asked.times == 2)
    asked.gate.set()
    finish(second)
    assert isinstance(outcomes[0], ExecutionCancelled)
    assert (others, asked.times) == (["answer 2"] * 3, 2)


def test_run_that_waits_keeps_to_its_timeout(user, asked):
    agent = oracle(asked.model)
    asked.gate.clear()
    first, outcomes = start(agent, user, 1)
    until(lambda: asked.times == 1)
    with pytest.raises(ExecutionFailed, match="longer than it may"):
        agent.run_sync("Why?", user=user, timeout=0.05)
    asked.gate.set()
    finish(first)
    assert (outcomes, asked.times) == (["answer 1"], 1)


def test_run_that_waits_is_handed_back_when_the_worker_stops(user, asked):
    agent = oracle(asked.model)
    asked.gate.clear()
    first, _ = start(agent, user, 1)
    until(lambda: asked.times == 1)
    second, _ = start(agent, user, 1)
    until(lambda: waiting() == 1)
    stopping = threading.Thread(target=get_engine().drain, args=(10,))
    stopping.start()
    until(lambda: AgentExecution.objects.filter(status="queued").count() == 1)
    assert AgentExecution.objects.get(status="queued").pk > AgentExecution.objects.get(status="running").pk
    asked.gate.set()
    stopping.join()
    finish(first)
    (ran,) = run_queued(agent)
    assert (ran.from_cache, ran.output_data) == (True, "answer 1")
    finish(second)


# --- a cache that is away


@contextmanager
def listener(answers):
    """A port where nobody answers, or where nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if answers:
            server.close()
        yield port


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "is silent"])
def test_run_works_without_the_cache(user, asked, settings, caplog, monkeypatch, refuses):
    monkeypatch.setattr(cache_line, "PATIENCE", 0.2)
    agent = oracle(asked.model)
    with listener(refuses) as port:
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{port}/0",
            }
        }
        with caplog.at_level(logging.WARNING, "retinue.runs"):
            outputs = [agent.run_sync("Why?", user=user).output for _ in range(3)]
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert outputs == ["answer 1", "answer 2", "answer 3"]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and said[0].startswith("The cache 'default' is away (")
    assert set(AgentExecution.objects.values_list("status", "from_cache")) == {("completed", False)}


def test_cache_is_used_again_once_it_is_back(user, asked, settings, caplog, monkeypatch):
    monkeypatch.setattr(cache_line, "AWAY_SECONDS", 0.0)
    agent = oracle(asked.model)
    settings.RETINUE = {"CACHE": "gone"}
    with caplog.at_level(logging.WARNING, "retinue.runs"):
        agent.run_sync("Why?", user=user)
        settings.RETINUE = {}
        agent.run_sync("Why?", user=user)
        assert agent.run_sync("Why?", user=user).from_cache
    assert [record.getMessage() for record in caplog.records] == [
        "The cache 'gone' is away (InvalidCacheBackendError: The connection 'gone' doesn't exist.): "
        "runs go on without.",
        "The cache 'default' is back.",
    ]


def test_cache_that_keeps_nothing(user, asked, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    agent = oracle(asked.model)
    assert [agent.run_sync("Why?", user=user).output for _ in range(2)] == ["answer 1", "answer 2"]


def test_cache_in_the_database(user, asked, settings):
    table = "cached_answers"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": table}}
    call_command("createcachetable")
    try:
        agent = oracle(asked.model)
        assert [agent.run_sync("Why?", user=user).from_cache for _ in range(2)] == [False, True]
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {table}")


def test_agent_that_is_not_cached_never_reaches_for_the_cache(user, asked, settings, caplog):
    settings.RETINUE = {"CACHE": "gone"}
    with caplog.at_level(logging.WARNING):
        oracle(asked.model, cache=None).run_sync("Why?", user=user)
    assert caplog.records == []
