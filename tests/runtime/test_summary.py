"""Conversations that have become too long, summed up."""

import re

import pytest
from pydantic_ai.models.function import FunctionModel

from retinue import AUTHENTICATED, DjangoAgent
from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.sessions.lifecycle import start_session
from retinue.testing import run_queued
from retinue.types import Principal
from tests import death
from tests.histories import Listener, texts
from tests.priced import CREDITS, PRICES, TOKENS, USD, priced
from tests.scripted import scripted

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_summary_is_paid_for_though_the_answer_is_from_the_cache(settings, user):
    settings.RETINUE = {"SESSION_HISTORY": "summarise", "SESSION_HISTORY_TOKENS": 400, "PRICES": PRICES}
    agent = DjangoAgent("same", permission=AUTHENTICATED, model=priced(*["same"] * 20), cache=300)
    with registered(agent):
        first, second = (start_session(Principal.of(user), "same") for _ in range(2))
        for session in (first, second):
            for number in range(8):
                agent.run_sync(f"{number} {LONG}", user=user, session=session)
    cached = AgentExecution.objects.filter(from_cache=True)
    assert {row.session_id for row in cached} == {second.pk} and len(cached) == 8
    summaries = {row.pk: row.children.count() for row in cached}
    assert sum(summaries.values()) > 0
    used = {row.pk: (row.cost, row.charge, row.tokens_used) for row in cached}
    assert used == {pk: (USD * count, CREDITS * count, TOKENS * count) for pk, count in summaries.items()}
