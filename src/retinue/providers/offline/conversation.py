"""What was said and done so far, read from the messages of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    TextContent,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_core import to_jsonable_python

FINDER = "tool-search"
"""The kind of a tool that reveals other tools."""
_FEEDBACK = re.compile(r"<pyai:(validation_errors|retry_feedback)>\n(.*)\n</pyai:\1>", re.DOTALL)
_FRAMED = re.compile(r"\s*<(system|pyai:\w+)\b")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a call of a tool came to; `outcome` is that of `ToolReturnPart`."""

    tool: str
    arguments: dict[str, Any]
    content: Any
    outcome: str = "success"

    @property
    def empty(self) -> bool:
        """Whether the tool found nothing."""
        return self.outcome == "success" and _is_empty(self.content)


@dataclass
class Conversation:
    """The last thing the user said, and what happened since; `earlier` is what tools returned before that.

    `errors` are those of outputs that were refused since, `sought` says that tools were searched for,
    `rounds` counts the model's answers since, `answers` all of the model's answers; `call_ids` are all ids
    that were given to calls.
    """

    prompt: str = ""
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    results: list[Result] = field(default_factory=list)
    earlier: list[Result] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    sought: bool = False
    rounds: int = 0
    answers: int = 0
    call_ids: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, messages: Sequence[ModelMessage]) -> Conversation:
        conversation = cls()
        arguments: dict[str, dict[str, Any]] = {}
        for message in messages:
            if isinstance(message, ModelResponse):
                conversation._answered(message, arguments)
            else:
                conversation._asked(message, arguments)
        if not conversation.prompt:
            conversation.prompt = next((m.instructions or "" for m in messages if isinstance(m, ModelRequest)), "")
        return conversation

    def _answered(self, message: ModelResponse, arguments: dict[str, dict[str, Any]]) -> None:
        self.answers += 1
        self.rounds += 1
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                self.call_ids.add(part.tool_call_id)
                arguments[part.tool_call_id] = _arguments(part)

    def _asked(self, message: ModelRequest, arguments: dict[str, dict[str, Any]]) -> None:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                self._said(part)
            elif isinstance(part, ToolReturnPart) and part.tool_kind == FINDER:
                self.sought = True
            elif isinstance(part, ToolReturnPart):
                self._returned(part, arguments.get(part.tool_call_id, {}))
            elif isinstance(part, RetryFeedbackPart):
                self.errors += _errors(part.content)

    def _said(self, part: UserPromptPart) -> None:
        text = _text(part)
        if feedback := _FEEDBACK.match(text, max(text.find("<pyai:", 0, 300), 0)):
            self.errors += _errors(_parsed(feedback[2]))
        elif text.strip() and not _FRAMED.match(text):
            if self.rounds or not self.prompt:
                self.prompt, self.at = text, part.timestamp
                self.earlier += self.results
                self.results, self.errors, self.rounds, self.sought = [], [], 0, False
            else:
                self.prompt = f"{self.prompt}\n\n{text}"

    def _returned(self, part: ToolReturnPart, arguments: dict[str, Any]) -> None:
        content = _content(part)
        self.results.append(Result(tool=part.tool_name, arguments=arguments, content=content, outcome=part.outcome))


def _arguments(part: ToolCallPart) -> dict[str, Any]:
    try:
        return dict(part.args_as_dict())
    except (ValueError, AssertionError):  # a history may hold arguments that never were valid JSON
        return {}


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    pieces: Iterable[Any] = part.content
    return "\n".join(
        piece if isinstance(piece, str) else piece.content for piece in pieces if isinstance(piece, str | TextContent)
    )


def _content(part: ToolReturnPart) -> Any:
    """What the tool returned as JSON, without files; a text that holds JSON is read."""
    files = part.files
    content: Any = part.content
    if files:
        items = [item for item in part.content_items() if not any(item is file for file in files)]
        content = items[0] if len(items) == 1 else items
    return _parsed(to_jsonable_python(content, fallback=str, bytes_mode="base64"))


def _parsed(content: Any) -> Any:
    if isinstance(content, str) and content.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(content)
        except ValueError:
            return content
    return content


def _errors(content: Any) -> list[dict[str, Any]]:
    """Validation errors as dictionaries; a message in words is one error without a place."""
    if isinstance(content, list):
        return [to_jsonable_python(error, fallback=str) for error in content if isinstance(error, dict)]
    return [{"type": "message", "loc": [], "msg": str(content)}]


def _is_empty(content: Any) -> bool:
    if isinstance(content, str):
        return bool(re.match(r"\s*$|(no|none|nothing|0)\b(?!\.\d)|\w+ not found", content, re.IGNORECASE))
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        return not content or (len(lists) == 1 and not lists[0])
    return content is None or content == []


def errors_of(result: Result) -> list[dict[str, Any]]:
    """The errors for which a call has to be made again."""
    return _errors(result.content)
