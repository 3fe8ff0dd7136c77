"""A streamed call is the call that was made, in pieces."""

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, ToolCallPart

from retinue.providers.offline import OfflineModel


def test_call_with_long_arguments_keeps_its_name():
    agent = Agent(OfflineModel())
    noted = []

    @agent.tool_plain
    def add_note(text: str) -> str:
        """Write down a note."""
        noted.append(text)
        return "Done."

    text = "Water the plants in the hall, the kitchen and the garden, and the palm twice"

    async def stream():
        async with agent.run_stream(f'Add the note "{text}"') as result:
            await result.get_output()
        return result.all_messages()

    messages = asyncio.run(stream())
    parts = [part for message in messages if isinstance(message, ModelResponse) for part in message.parts]
    assert [(p.tool_name, p.args_as_dict()) for p in parts if isinstance(p, ToolCallPart)] == [
        ("add_note", {"text": text})
    ]
    assert noted == [text]
