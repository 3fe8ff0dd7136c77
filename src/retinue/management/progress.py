"""A run as it happens, for someone who looks at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
)

from retinue.management.text import answer_text, called, duration, paid, printable, shortened

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper
    from django.core.management.color import Style

    from retinue.executions.models import AgentExecution


class Progress:
    """Writes each step when it happens: text as it streams, tools with their arguments and results."""

    def __init__(self, out: OutputWrapper, style: Style) -> None:
        self._out = out
        self._style = style
        self._text = ""
        """What was streamed since the last call of a tool: at the end, the answer."""
        self._mid_line = False

    def show(self, event: Any) -> None:
        """One of pydantic-ai's events."""
        match event:
            case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                self._stream(text)
            case FunctionToolCallEvent(part=part):
                self._text = ""
                self._line(f"> {_call(part)}")
            case FunctionToolResultEvent(part=part):
                self._line(f"< {shortened(part.tool_name)}: {shortened(part.content)}")

    def finish(self, execution: AgentExecution) -> None:
        """The answer, unless it was streamed, and what it took."""
        answer = answer_text(execution.output_data)
        if self._text.strip() != answer.strip():
            self._end_line()
            self._write(f"{printable(answer)}\n")
        parts = [
            duration(execution.execution_time),
            f"{execution.tokens_used:,} tokens",
            paid(execution.cost, execution.charge),
        ]
        self._line(f"{execution.get_status_display()} in {', '.join(parts)}. Execution {execution.pk}")

    def stop(self) -> None:
        """Leave the terminal at the beginning of a line."""
        self._end_line()

    def _stream(self, text: str) -> None:
        if text:
            self._text += text
            self._write(printable(text))
            self._mid_line = not text.endswith("\n")

    def _line(self, text: str) -> None:
        self._end_line()
        self._write(f"{self._style.MIGRATE_LABEL(text)}\n")

    def _end_line(self) -> None:
        if self._mid_line:
            self._write("\n")
            self._mid_line = False

    def _write(self, text: str) -> None:
        self._out.write(text, ending="")
        self._out.flush()


def _call(part: ToolCallPart) -> str:
    try:
        return called(part.tool_name, part.args_as_dict())
    except ValueError:  # what a model gave need not be JSON
        return f"{shortened(part.tool_name)}({shortened(part.args)})"
