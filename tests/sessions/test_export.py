"""A conversation as a file."""

import json
import re
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.sessions.export import to_json, to_markdown
from retinue.sessions.lifecycle import start_session
from retinue.sessions.models import AISession
from retinue.sessions.ratings import rate
from retinue.types import Principal
from tests.scripted import call, scripted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(listener, user):
    """A conversation of three messages, of which the second was edited."""
    session = start_session(Principal.of(user), "listener", context={"shop": 3})
    rate(listener.agent.run_sync("look\nat *this*", user=user, session=session).execution, 1, "nice", by=user)
    wrong = listener.agent.run_sync("wrong", user=user, session=session).execution
    listener.agent.run_sync("right ü", user=user, session=session, replaces=wrong)
    listener.agent.enqueue("stopped", user=user, session=session).cancel()
    session.refresh_from_db()
    return session


def test_json_has_everything(session):
    exported = json.loads(to_json(session))
    assert "ü" in to_json(session)
    turns = exported.pop("turns")
    assert exported == {
        "format": 1,
        "session_id": str(session.pk),
        "title": "look at *this*",
        "agent": "listener",
        "context": {"shop": 3},
        "created_at": session.created_at.isoformat(),
        "updated_at": session.updated_at.isoformat(),
    }
    looked, wrong, right, stopped = turns
    row = AgentExecution.objects.earliest("created_at")
    assert looked == {
        "execution_id": str(row.pk),
        "status": "completed",
        "created_at": row.created_at.isoformat(),
        "completed_at": row.completed_at.isoformat(),
        "replaces": None,
        "replaced_by": None,
        "prompt": "look\nat *this*",
        "answer": "re: look\nat *this*",
        "output": "re: look\nat *this*",
        "error": None,
        "tool_calls": [{"tool": "look", "arguments": {"where": "look\nat *this*"}, "result": "seen look\nat *this*"}],
        "cost": "0",
        "charge": "0",
        "tokens": row.tokens_used,
        "seconds": row.execution_time,
        "quality_score": None,
        "from_cache": False,
        "rating": 1,
        "rating_note": "nice",
    }
    assert (wrong["replaced_by"], right["replaces"]) == (right["execution_id"], wrong["execution_id"])
    assert (stopped["status"], stopped["answer"], stopped["error"]) == ("cancelled", None, "The run was cancelled.")


def test_markdown_reads_as_the_conversation_stands(session):
    text = re.sub(r"## .*\d.*", "## (date)", to_markdown(session))
    text = re.sub(r"Begun on .*,", "Begun on (date),", text)
    text = re.sub(r"\*[\d.]+ s · \d+ tokens · ", "*(figures) · ", text)
    assert (
        text
        == """# look at *this*

Begun on (date), with listener.

## (date)

> look
> at *this*

Called `look`:

```json
{
  "where": "look\\nat *this*"
}
```

It gave:

```
seen look
at *this*
```

re: look
at *this*

*(figures) · 0 credits · 0 USD*

## (date)

> right ü

re: right ü

*(figures) · 0 credits · 0 USD*

## (date)

> stopped

*Cancelled*: The run was cancelled.

*0.0 s · 0 tokens*
"""
    )


def test_results_cannot_break_out_of_their_block(user):
    agent = DjangoAgent("fencer", permission=AUTHENTICATED, model=scripted([call("fence")], "done"))

    @agent.tool(effects="none")
    def fence(ctx: RunContext[DjangoDeps]) -> str:
        return "```\n# out\n````"

    with registered(agent):
        session = start_session(Principal.of(user), "fencer")
        agent.run_sync("Go", user=user, session=session)
    assert "\n`````\n```\n# out\n````\n`````\n" in to_markdown(session)


def test_line_about_the_session_ends_once(session):
    AISession.objects.update(created_at=datetime(2026, 11, 21, 19, 27, tzinfo=UTC))
    session.refresh_from_db()
    with timezone.override("UTC"):
        assert "\n\nBegun on Nov. 21, 2026, 7:27 p.m., with listener.\n\n" in to_markdown(session)


def test_numbers_that_are_none_in_json(user):
    agent = DjangoAgent("measurer", permission=AUTHENTICATED, model=scripted([call("measure")], "done"))

    @agent.tool_plain(effects="none")
    def measure() -> list[float]:
        return [1.5, float("nan"), float("-inf")]

    with registered(agent):
        session = start_session(Principal.of(user), "measurer")
        agent.run_sync("Go", user=user, session=session)
    (turn,) = json.loads(to_json(session), parse_constant=pytest.fail)["turns"]
    assert turn["tool_calls"] == [{"tool": "measure", "arguments": {}, "result": [1.5, None, None]}]


def test_what_a_site_redacted_is_left_out(session):
    ExecutionStep.objects.update(payload=b"[gone]")
    turns = json.loads(to_json(session))["turns"]
    assert [turn["tool_calls"] for turn in turns] == [[]] * 4
    assert "re: right ü" in to_markdown(session)


def test_export_takes_few_queries(session, django_assert_num_queries):
    with django_assert_num_queries(3):  # one is for what the stopped run had said
        to_json(session)
