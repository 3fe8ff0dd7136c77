"""What models are given of a conversation, and whether every provider would take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from tests.scripted import call


def texts(messages: Sequence[ModelMessage]) -> list[Any]:
    """What users and models said, in order."""
    kinds = (UserPromptPart, TextPart)
    return [part.content for message in messages for part in message.parts if isinstance(part, kinds)]


def fault(messages: Sequence[ModelMessage]) -> str | None:
    """What some provider would refuse the messages of a request for; None where all take them.

    They begin with what the user said, requests and responses alternate, none is empty, each call has its result in
    the next request and each result its call, and they end with a request.
    """
    calls: dict[str, str] = {}
    for position, message in enumerate(messages):
        expected = ModelResponse if position % 2 else ModelRequest
        if not isinstance(message, expected):
            return f"Message {position} is no {expected.__name__}."
        if not message.parts or any(not text.strip() for text in texts([message])):
            return f"Message {position} is empty."
        if isinstance(message, ModelResponse):
            calls = {part.tool_call_id: part.tool_name for part in message.tool_calls}
            continue
        results = [part for part in message.parts if isinstance(part, ToolReturnPart | RetryPromptPart)]
        given = {part.tool_call_id: part.tool_name for part in results if part.tool_name}
        if given != calls:
            return f"Message {position} has the results of {given}; called was {calls}."
        calls = {}
        if position == 0 and not texts([message]):
            return "The user said nothing at first."
    return None if messages and isinstance(messages[-1], ModelRequest) else "They do not end with a request."


class Listener:
    """An agent that answers a prompt with `re: …`, calls a tool before where the prompt begins with "look", and keeps
    what it is given for each request; `before` is awaited before each answer, with the messages."""

    def __init__(self, name: str = "listener", before: Callable[..., Any] | None = None, **options: Any) -> None:
        self.given: list[list[ModelMessage]] = []
        self.before = before
        self.model = FunctionModel(self._answer, stream_function=self._stream)
        self.agent = DjangoAgent(name, permission=AUTHENTICATED, model=self.model, **options)

        @self.agent.tool(effects="none")
        def look(ctx: RunContext[DjangoDeps], where: str) -> str:
            """Look somewhere."""
            return f"seen {where}"

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.given.append(list(messages))
        if self.before is not None:
            await self.before(messages)
        said = texts(messages[-1:])
        if said and said[-1].startswith("look"):
            return ModelResponse(parts=[call("look", f"call-{len(messages)}", where=said[-1])])
        return ModelResponse(parts=[TextPart(f"re: {texts(messages[:-1] if not said else messages)[-1]}")])

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> Any:
        for index, part in enumerate((await self._answer(messages, info)).parts):
            if isinstance(part, TextPart):
                yield part.content
            else:
                yield {index: DeltaToolCall(part.tool_name, part.args_as_json_str(), tool_call_id=part.tool_call_id)}

    @property
    def told(self) -> list[list[Any]]:
        """What was said until each request."""
        assert [fault(messages) for messages in self.given] == [None] * len(self.given)
        return [texts(messages) for messages in self.given]
