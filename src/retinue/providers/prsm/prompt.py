"""A conversation as one text, which is all that PRSM takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from pydantic_ai.messages import (
    CachePoint,
    InstructionPart,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    SystemPromptPart,
    TextContent,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)

from retinue.errors import InvalidInput


def prompt_text(messages: Sequence[ModelMessage], instructions: Sequence[InstructionPart] | None) -> str:
    """The text to send: the prompt alone where there is no more, sections with headings otherwise.

    Raises InvalidInput for anything that is not text.
    """
    asked, answered = _split(messages)
    standing = [part.content for message in messages for part in message.parts if isinstance(part, SystemPromptPart)]
    standing += [part.content for part in instructions or _instructions_of(messages)]
    request = "\n\n".join(text for _, text in _turns(asked))
    history = "\n\n".join(f"{speaker}: {text}" for speaker, text in _turns(answered))
    sections = {"Instructions": "\n\n".join(standing), "Conversation so far": history, "Request": request}
    given = {heading: text for heading, text in sections.items() if text}
    if list(given) == ["Request"]:
        return request
    return "\n\n".join(f"# {heading}\n\n{text}" for heading, text in given.items())


def _split(messages: Sequence[ModelMessage]) -> tuple[Sequence[ModelMessage], Sequence[ModelMessage]]:
    """What was said since the last answer, and what was said until then."""
    last = max((place for place, message in enumerate(messages) if isinstance(message, ModelResponse)), default=-1)
    return messages[last + 1 :], messages[: last + 1]


def _instructions_of(messages: Sequence[ModelMessage]) -> list[InstructionPart]:
    """Those of the last request, for a caller who gives none apart."""
    requests = [message for message in messages if isinstance(message, ModelRequest)]
    text = requests[-1].instructions if requests else None
    return [InstructionPart(content=text)] if text else []


def _turns(messages: Sequence[ModelMessage]) -> Iterator[tuple[str, str]]:
    for message in messages:
        if isinstance(message, ModelResponse):
            text = "".join(part.content for part in message.parts if isinstance(part, TextPart))
            if text:
                yield "Assistant", text
        else:
            yield from chain.from_iterable(map(_said, message.parts))


def _said(part: ModelRequestPart) -> Iterator[tuple[str, str]]:
    if isinstance(part, UserPromptPart):
        yield "User", _user_text(part)
    elif isinstance(part, ToolReturnPart):  # of an earlier model's tools
        yield f"Result of {part.tool_name}", part.model_response_str()


def _user_text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    texts = []
    for item in part.content:
        if isinstance(item, str | TextContent):
            texts.append(item if isinstance(item, str) else item.content)
        elif not isinstance(item, CachePoint):
            raise InvalidInput("PRSM takes text only: the prompt must have no files and no pictures.")
    return "\n\n".join(texts)
