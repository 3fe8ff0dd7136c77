"""Agents that do what their prompt's script says, with tools of every kind."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from copy import copy
from typing import Any
from zlib import crc32

from asgiref.sync import sync_to_async
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from tests.priced import USAGE
from tests.processes import witness
from tests.shop.models import Note
from tests.torture.script import turns

Ctx = RunContext[DjangoDeps]
LATENCY = 0.06
WORDS = ["Let ", "me ", "see ", "to ", "it."]
PIECE = 60
"""Characters of an answer that come at once."""


async def _answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Take the next turn of the script; in the end, say what every call gave."""
    await _asked(messages)
    await asyncio.sleep(random.uniform(0, LATENCY))
    return ModelResponse(parts=_parts(messages), usage=copy(USAGE))


async def _stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    """The same for who watches: with a sentence before each turn, and all of it bit by bit."""
    await _asked(messages)
    for place, part in enumerate(_parts(messages)):
        if isinstance(part, ToolCallPart):
            if place == 0:
                for word in WORDS:
                    await asyncio.sleep(random.uniform(0, LATENCY / 3))
                    yield word
            yield {place: DeltaToolCall(part.tool_name, part.args_as_json_str(), tool_call_id=part.tool_call_id)}
            continue
        for begin in range(0, len(part.content), PIECE):
            await asyncio.sleep(random.uniform(0, LATENCY / 3))
            yield part.content[begin : begin + PIECE]


async def _asked(messages: list[ModelMessage]) -> None:
    execution_id = messages[-1].run_id
    assert execution_id is not None
    await witness.asked(execution_id, _number(messages))


def _number(messages: list[ModelMessage]) -> int:
    return sum(isinstance(message, ModelResponse) for message in messages)


def _parts(messages: list[ModelMessage]) -> list[Any]:
    number = _number(messages)
    script = turns(*_prompt(messages).split(" "))
    if number < len(script):
        return [ToolCallPart(c.tool, _arguments(c), c.call_id) for c in script[number]]
    given = {p.tool_call_id: p.content for m in messages for p in m.parts if isinstance(p, ToolReturnPart)}
    return [TextPart(json.dumps(given))]


def _prompt(messages: list[ModelMessage]) -> str:
    (prompt,) = [p.content for p in messages[0].parts if isinstance(p, UserPromptPart)]
    assert isinstance(prompt, str)
    return prompt


def _arguments(call: Any) -> dict[str, str]:
    return {"label": call.label, **({"kind": call.kind} if call.kind else {})}


MODEL = FunctionModel(_answer, stream_function=_stream, model_name="priced")
victim = DjangoAgent("victim", permission=AUTHENTICATED, model=MODEL)
helper = DjangoAgent("helper", permission=AUTHENTICATED, model=MODEL)


def _note(ctx: Ctx, label: str) -> None:
    time.sleep(random.uniform(0, 0.004))
    Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
    time.sleep(random.uniform(0, 0.004))


async def _append(ctx: Ctx, label: str) -> None:
    await asyncio.sleep(random.uniform(0, 0.02))
    witness.note("called", label=label, key=ctx.deps.idempotency_key)
    await asyncio.sleep(random.uniform(0, 0.02))


def _judged(ctx: Ctx, label: str) -> bool:
    return crc32(label.encode()) % 2 == 0


def write(ctx: Ctx, label: str) -> str:
    _note(ctx, label)
    return f"write {label}"


async def awrite(ctx: Ctx, label: str) -> str:
    await Note.objects.acreate(execution=str(ctx.deps.execution_id), label=f"{label}-undone")
    await asyncio.sleep(random.uniform(0, 0.004))
    await sync_to_async(_note)(ctx, label)
    await Note.objects.filter(label=f"{label}-undone").adelete()
    return f"awrite {label}"


def sell(ctx: Ctx, label: str) -> str:
    _note(ctx, label)
    return f"sell {label}"


def write_judged(ctx: Ctx, label: str) -> str:
    _note(ctx, label)
    return f"write_judged {label}"


def look(ctx: Ctx, label: str) -> str:
    time.sleep(random.uniform(0, 0.01))
    return f"look {label}"


async def append_retry(ctx: Ctx, label: str) -> str:
    await _append(ctx, label)
    return f"append_retry {label}"


async def append_ask(ctx: Ctx, label: str) -> str:
    await _append(ctx, label)
    return f"append_ask {label}"


async def append_fail(ctx: Ctx, label: str) -> str:
    await _append(ctx, label)
    return f"append_fail {label}"


async def append_judged(ctx: Ctx, label: str) -> str:
    await _append(ctx, label)
    return f"append_judged {label}"


async def ship(ctx: Ctx, label: str) -> str:
    await _append(ctx, label)
    return f"ship {label}"


async def _ask(kind: str, label: str) -> Any:
    """The answer of a delegated run, which comes when it likes."""
    await asyncio.sleep(random.uniform(0, LATENCY))
    result = await helper.run(f"{kind} {label}", key=label)
    await asyncio.sleep(random.uniform(0, LATENCY))
    return json.loads(result.output)


async def delegate(ctx: Ctx, label: str, kind: str) -> Any:
    return await _ask(kind, f"{label}.d")


async def delegate_both(ctx: Ctx, label: str, kind: str) -> Any:
    return await asyncio.gather(_ask(kind, f"{label}.d0"), _ask(kind, f"{label}.d1"))


for _agent in (victim, helper):
    _agent.tool(write)
    _agent.tool(effects="database")(awrite)
    _agent.tool(approval=True)(sell)
    _agent.tool(approval=_judged)(write_judged)
    _agent.tool(effects="none")(look)
    _agent.tool(on_uncertain="retry")(append_retry)
    _agent.tool(on_uncertain="ask")(append_ask)
    _agent.tool(on_uncertain="fail")(append_fail)
    _agent.tool(on_uncertain="ask", approval=_judged)(append_judged)
    _agent.tool(on_uncertain="ask", approval=True)(ship)
victim.tool(effects="delegate")(delegate)
victim.tool(effects="delegate")(delegate_both)

AGENTS = [victim, helper]
