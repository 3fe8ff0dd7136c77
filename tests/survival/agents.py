"""An agent that does what its prompt says, word by word, and waits where it is told to.

    "a note @go:call done"

The first word names the run. Each further one is a turn of the model: it calls that tool (or several: `note+call`),
or says that text where there is no such tool. `@go:` has the model wait for the gate `go` first (see `Gates`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from copy import copy
from pathlib import Path
from typing import Any

from django.db import connection
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from tests.priced import USAGE
from tests.processes import witness
from tests.shop.models import Note

Ctx = RunContext[DjangoDeps]


class Gates:
    """Files that let agents go on: everywhere, or in one process only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str, pid: int | None = None) -> None:
        (self._folder / (name if pid is None else f"{name}-{pid}")).touch()

    def is_open(self, name: str) -> bool:
        return any((self._folder / file).exists() for file in (name, f"{name}-{os.getpid()}"))


async def _answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    number = sum(isinstance(message, ModelResponse) for message in messages)
    (prompt,) = [p.content for p in messages[0].parts if isinstance(p, UserPromptPart)]
    assert isinstance(prompt, str) and messages[-1].run_id is not None
    gate, _, turn = prompt.split(" ")[1 + number].rpartition(":")
    await witness.asked(messages[-1].run_id, number)
    try:
        while gate and not Gates(witness.folder()).is_open(gate.removeprefix("@")):
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        witness.note("let go", execution=messages[-1].run_id, number=number)
        raise
    witness.note("answered", execution=messages[-1].run_id, number=number)
    called = turn.split("+")
    if called[0] not in {tool.name for tool in info.function_tools}:
        return ModelResponse(parts=[TextPart(turn)], usage=copy(USAGE))
    calls = [ToolCallPart(name, {}, f"c{number}{'abcdef'[i]}") for i, name in enumerate(called)]
    return ModelResponse(parts=calls, usage=copy(USAGE))


subject = DjangoAgent("subject", permission=AUTHENTICATED, model=FunctionModel(_answer, model_name="priced"))


def _write(ctx: Ctx, label: str) -> None:
    Note.objects.create(execution=str(ctx.deps.execution_id), label=label)


@subject.tool
def note(ctx: Ctx) -> str:
    """Write a row."""
    _write(ctx, f"note {ctx.tool_call_id}")
    return "noted"


@subject.tool
def sleep(ctx: Ctx) -> str:
    """Write a row, sleep until the gate `wake` is open, and write another."""
    _write(ctx, "before sleep")
    witness.note("sleeps", execution=str(ctx.deps.execution_id))
    while not Gates(witness.folder()).is_open("wake"):
        time.sleep(0.01)
    try:
        _write(ctx, "after sleep")
    finally:
        witness.note("woke", execution=str(ctx.deps.execution_id))
    return "slept"


@subject.tool
def query(ctx: Ctx) -> str:
    """Write a row, then have the database work for long."""
    _write(ctx, "before query")
    witness.note("queries", execution=str(ctx.deps.execution_id))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sleep(600)")
        else:
            cursor.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000000) SELECT max(i) FROM n"
            )
    return "queried"


@subject.tool
async def call(ctx: Ctx) -> str:
    """Call something outside."""
    witness.note("called", execution=str(ctx.deps.execution_id), key=ctx.deps.idempotency_key)
    return "called"


@subject.tool(effects="none")
async def block(ctx: Ctx) -> str:
    """Hold the whole loop up until the gate `wake` is open."""
    witness.note("blocks", execution=str(ctx.deps.execution_id))
    while not Gates(witness.folder()).is_open("wake"):
        time.sleep(0.01)
    return "blocked"


@subject.tool(effects="none")
def die(ctx: Ctx) -> str:
    """Take the process down."""
    witness.note("died", execution=str(ctx.deps.execution_id))
    os.kill(os.getpid(), signal.SIGKILL)
    return "not to be reached"


# Its answers are cached where the workers' RETINUE["CACHE"] says.
asker = DjangoAgent("asker", permission=AUTHENTICATED, model=FunctionModel(_answer), cache=300)


async def _reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Look first, then say what was asked; what it was given is witnessed."""
    execution = messages[-1].run_id
    given = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    witness.note("given", execution=execution, messages=given)
    if not isinstance(messages[-1].parts[-1], UserPromptPart):
        return ModelResponse(parts=[TextPart(f"re: {_prompts(messages)[-1]}")])
    while not (Gates(witness.folder()).is_open("talk") or Gates(witness.folder()).is_open(_prompts(messages)[-1])):
        await asyncio.sleep(0.01)
    return ModelResponse(parts=[ToolCallPart("peek", {}, f"c{len(messages)}")])


def _prompts(messages: list[ModelMessage]) -> list[Any]:
    return [p.content for message in messages for p in message.parts if isinstance(p, UserPromptPart)]


talker = DjangoAgent("talker", permission=AUTHENTICATED, model=FunctionModel(_reply))


@talker.tool(effects="none")
def peek(ctx: Ctx) -> str:
    """Look."""
    return "seen"


AGENTS: list[Any] = [subject, asker, talker]
