"""An agent that tells what its prompt says, word by word, and waits where it is told to.

    "~hm one two @go three | !note | done"

Each part between bars is an answer of the model. A word with `~` is thought, `!note` calls that tool, `@go` waits
until there is a file `go`, and `^` fails. Everything else is said.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from tests.processes import witness
from tests.scripted import scripted
from tests.shop.models import Note

Ctx = RunContext[DjangoDeps]


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """All at once, for who does not watch; the gates are open then."""
    prompt = messages[0].parts[-1].content
    return ModelResponse(parts=[TextPart(" ".join(word for word in str(prompt).split(" ") if word[0] != "@") + " ")])


async def tell(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    number = sum(isinstance(message, ModelResponse) for message in messages)
    prompts = [p.content for m in messages for p in m.parts if isinstance(p, UserPromptPart)]
    assert isinstance(prompts[-1], str)
    for place, word in enumerate(prompts[-1].split(" | ")[number].split(" ")):
        match word[0], word[1:]:
            case "@", gate:
                while not (witness.folder() / gate).exists():
                    await asyncio.sleep(0.005)
            case "~", thought:
                yield {place: DeltaThinkingPart(content=f"{thought} ")}
            case "!", tool:
                arguments = json.dumps({"label": str(number)})
                yield {place: DeltaToolCall(tool, arguments, tool_call_id=f"c{place}")}
            case "^", _:
                raise RuntimeError("secret")
            case _:
                yield f"{word} "


MODEL = FunctionModel(answer, stream_function=tell, model_name="teller")
teller = DjangoAgent("teller", permission=AUTHENTICATED, model=MODEL)


@teller.tool
def note(ctx: Ctx, label: str) -> str:
    Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
    return f"noted {label}"


@teller.tool(approval=True)
def sell(ctx: Ctx, label: str) -> str:
    Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
    return f"sold {label}"


@teller.tool(effects="none")
def long(ctx: Ctx, label: str) -> str:
    return "x" * 5000


@teller.tool(effects="none")
def wrong(ctx: Ctx, label: str) -> str:
    from retinue import ModelRetry

    raise ModelRetry("Not like that.")


@teller.tool(effects="delegate")
async def ask(ctx: Ctx, label: str) -> str:
    return (await child.run("I am your child")).output


child = DjangoAgent("child", permission=AUTHENTICATED, model=scripted("I am your child"))
cached = DjangoAgent("cached", permission=AUTHENTICATED, model=MODEL, cache=300)

AGENTS: list[Any] = [teller, child, cached]
