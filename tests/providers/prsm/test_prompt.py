"""How a conversation is written down."""

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import (
    CachePoint,
    ImageUrl,
    InstructionPart,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import FunctionModel

from retinue.errors import InvalidInput
from retinue.providers.prsm.prompt import prompt_text


def asked(*contents, **more):
    return ModelRequest(parts=[UserPromptPart(content) for content in contents], **more)


def test_prompt_alone_is_sent_as_it_is():
    assert prompt_text([asked("  What do lamps do?\n")], None) == "  What do lamps do?\n"


def test_instructions_come_first():
    assert prompt_text(
        [asked("Why?")], [InstructionPart(content="Be brief."), InstructionPart(content="Be kind.")]
    ) == ("# Instructions\n\nBe brief.\n\nBe kind.\n\n# Request\n\nWhy?")


def test_instructions_of_the_last_request_and_the_system_prompt():
    first = ModelRequest(parts=[SystemPromptPart("You sell lamps."), UserPromptPart("Hi")], instructions="Old.")
    messages = [first, ModelResponse(parts=[TextPart("Hello.")]), asked("Why?", instructions="Be brief.")]
    assert prompt_text(messages, None) == (
        "# Instructions\n\nYou sell lamps.\n\nBe brief.\n\n"
        "# Conversation so far\n\nUser: Hi\n\nAssistant: Hello.\n\n"
        "# Request\n\nWhy?"
    )


def test_history_has_what_was_said_and_found():
    messages = [
        asked("How many?"),
        ModelResponse(parts=[ThinkingPart("Hm."), ToolCallPart("count", {"what": "lamps"}, "c1")]),
        ModelRequest(parts=[ToolReturnPart("count", {"lamps": 3}, "c1")]),
        ModelResponse(parts=[TextPart("There are "), TextPart("three.")]),
        asked("And chairs?"),
    ]
    assert prompt_text(messages, None) == (
        '# Conversation so far\n\nUser: How many?\n\nResult of count: {"lamps":3}\n\nAssistant: There are three.\n\n'
        "# Request\n\nAnd chairs?"
    )


def test_several_texts_are_one_request():
    assert prompt_text([asked("One.", ["Two.", CachePoint(), TextContent("Three.")]), asked("Four.")], None) == (
        "One.\n\nTwo.\n\nThree.\n\nFour."
    )


def test_pictures_are_refused():
    with pytest.raises(InvalidInput, match="PRSM takes text only"):
        prompt_text([asked(["What is this?", ImageUrl("https://example.org/lamp.png")])], None)


def test_what_an_agent_sends():
    seen = []

    def answer(messages, info):
        seen.append(prompt_text(messages, info.model_request_parameters.instruction_parts))
        return ModelResponse(parts=[TextPart("It gives light.")])

    agent = Agent(FunctionModel(answer), instructions="Be brief.")
    history = agent.run_sync("What does it do?").all_messages()
    agent.run_sync("Why?", message_history=history)
    assert seen == [
        "# Instructions\n\nBe brief.\n\n# Request\n\nWhat does it do?",
        "# Instructions\n\nBe brief.\n\n# Conversation so far\n\nUser: What does it do?\n\nAssistant: It gives light."
        "\n\n# Request\n\nWhy?",
    ]
