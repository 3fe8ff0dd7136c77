"""The same agent twice, by Retinue and by pydantic-ai alone; and agents for workers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel

from bench.worker import Asked
from bench.workload.conversation import ANSWER, CALL, prompt_of, turn_of
from bench.workload.models import Note
from bench.workload.users import RUN, WRITE
from retinue import DjangoAgent, DjangoDeps, ModelRetry, RunContext


def add_note(ctx: RunContext[DjangoDeps], label: str) -> str:
    """Write a note."""
    Note.objects.create(label=label, author_id=ctx.deps.user_id)
    return "noted"


async def not_a_draft(output: str) -> str:
    """Ask for the final text."""
    if output.startswith("A draft"):
        raise ModelRetry("Give the final text.")
    return output


def one_tool(model: FunctionModel) -> tuple[Agent[Any, str], DjangoAgent[Any, str]]:
    """An agent with the tool, on pydantic-ai alone and with Retinue."""
    bare, retinue = _bare(model), _retinue(model)
    bare.tool(add_note)
    retinue.tool(permission=WRITE)(add_note)
    return bare, retinue


def two_drafts(model: FunctionModel) -> tuple[Agent[Any, str], DjangoAgent[Any, str]]:
    """An agent without a tool that asks its model twice, likewise."""
    bare, retinue = _bare(model), _retinue(model)
    bare.output_validator(not_a_draft)
    retinue.output_validator(not_a_draft)
    return bare, retinue


def _bare(model: FunctionModel) -> Agent[Any, str]:
    return Agent(model, name="bare", deps_type=DjangoDeps)


def _retinue(model: FunctionModel) -> DjangoAgent[Any, str]:
    return DjangoAgent("retinue", model=model, permission=RUN)


@cache
def threads() -> ThreadPoolExecutor:
    """Where bare agents run sync tools, as a fair Django site has it: a few threads that keep their connections."""
    return ThreadPoolExecutor(4)


# What workers run: agents of this module are found by discovery.


async def _answer_at_once(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    Asked(prompt_of(messages), os.getpid(), time.time()).tell()
    return ModelResponse(parts=[ANSWER])


async def _call_and_hang(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    if turn_of(messages) == 0:
        return ModelResponse(parts=[CALL])
    Asked(prompt_of(messages), os.getpid(), time.time()).tell()
    await asyncio.sleep(3600)
    raise AssertionError("unreachable")


async def _tell_the_time(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    await asyncio.sleep(0.3)  # a watcher is there by then
    yield repr(time.time())
    await asyncio.sleep(0.05)


async def _tell_a_story(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    for number in range(100):
        await asyncio.sleep(0.1)
        yield f"In chapter {number} they go on to the next town. "


prompt_starter = DjangoAgent("prompt_starter", model=FunctionModel(_answer_at_once), permission=RUN)
endless = DjangoAgent("endless", model=FunctionModel(_call_and_hang), permission=RUN)
endless.tool(permission=WRITE)(add_note)
clock_teller = DjangoAgent("clock_teller", model=FunctionModel(stream_function=_tell_the_time), permission=RUN)
long_teller = DjangoAgent("long_teller", model=FunctionModel(stream_function=_tell_a_story), permission=RUN)
