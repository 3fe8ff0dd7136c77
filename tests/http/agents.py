"""An agent that tells a long story, and waits in its middle until there is a file `go`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, FunctionModel

from retinue import PUBLIC, DjangoAgent
from tests.processes import witness

WORDS = [f"word{number} " for number in range(40)]
STORY = "".join(WORDS)
PAUSE = 20
"""After how many words it waits."""


async def _tell(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    for number, word in enumerate(WORDS):
        while number == PAUSE and not (witness.folder() / "go").exists():
            await asyncio.sleep(0.01)
        yield word


narrator = DjangoAgent("narrator", permission=PUBLIC, model=FunctionModel(stream_function=_tell, model_name="story"))

AGENTS: list[Any] = [narrator]
