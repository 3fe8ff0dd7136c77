"""What an answer consists of, in the order in which a reader sees it: texts, thoughts, tool calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from retinue.approvals.decisions import may_decide
from retinue.approvals.models import Approval
from retinue.assistant.markdown import render
from retinue.executions.places import call_place, is_at
from retinue.executions.states import EventKind

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from retinue.executions.transcript import Told

SHOWN = 20_000
"""How many characters of arguments and results are shown."""


@dataclass(kw_only=True)
class Text:
    """What a model request said. `text` is the Markdown as it came."""

    kind: ClassVar[str] = "text"
    step: int
    text: str = ""

    @cached_property
    def html(self) -> SafeString:
        return render(self.text)


@dataclass(kw_only=True)
class Thinking:
    """What a model thought before it answered."""

    kind: ClassVar[str] = "thinking"
    step: int
    text: str = ""


@dataclass(kw_only=True)
class ToolCall:
    """A call, what it was given and what it gave. `outcome` is empty while there is none."""

    kind: ClassVar[str] = "tool_call"
    step: int
    call_id: str
    name: str
    arguments: str
    result: str = ""
    outcome: str = ""
    approval: Approval | None = None
    may_decide: bool = False


Part: TypeAlias = Text | Thinking | ToolCall


class Parts:
    """Collects the parts of one answer."""

    def __init__(self) -> None:
        self.list: list[Part] = []

    def say(self, kind: type[Text | Thinking], step: int, text: str, offset: int) -> None:
        """More of a request's text; from `offset` on what was said before does not hold."""
        part = next((p for p in self.list if isinstance(p, kind) and p.step == step), None)
        if part is None:
            if not text:
                return
            self.list.append(part := kind(step=step))
        part.text = part.text[:offset] + text

    def call(self, step: int, call_id: str, name: str, arguments: Any) -> None:
        known = (c for c in self.calls() if c.step == step and c.call_id == call_id)
        if next(known, None) is None:
            self.list.append(ToolCall(step=step, call_id=call_id, name=name, arguments=pretty(arguments)))

    def calls(self) -> Iterator[ToolCall]:
        """The calls, the latest first: providers may use an id again."""
        return (part for part in reversed(self.list) if isinstance(part, ToolCall))

    def take_back(self, step: int) -> None:
        """Everything from that request on."""
        self.list = [part for part in self.list if part.step < step]

    def forget_unanswered(self) -> None:
        """Calls that nothing came of."""
        self.list = [part for part in self.list if not isinstance(part, ToolCall) or part.outcome]

    def close(self) -> None:
        """Nothing more comes: what is open stays unfinished."""
        for call in self.calls():
            call.outcome = call.outcome or "unfinished"

    def answer(self, text: str) -> None:
        """What the last request said, as it is kept with the execution."""
        step = max((part.step for part in self.list), default=0)
        self.list = [part for part in self.list if not (isinstance(part, Text) and part.step == step)]
        self.list.append(Text(step=step, text=text))

    def ask(self, approvals: Iterable[Approval], user: Any) -> None:
        """Put questions to the calls that they are about; those of delegated runs stand at the end."""
        for approval in approvals:
            call = next((c for c in self.calls() if _is_about(approval, c)), None)
            if call is None and approval.status == Approval.Status.PENDING:
                step = max((part.step for part in self.list), default=0)
                call = ToolCall(step=step, call_id="", name=approval.tool_name, arguments=pretty(approval.arguments))
                self.list.append(call)
            if call is not None:
                call.approval = approval
                is_open = approval.status == Approval.Status.PENDING
                call.may_decide = is_open and user is not None and may_decide(approval, user)
                if approval.status in (Approval.Status.DENIED, Approval.Status.EXPIRED):
                    call.outcome, call.result = "denied", approval.note


def parts_of(told: Iterable[Told]) -> Parts:
    """The parts that it all amounts to."""
    parts = Parts()
    for kind, data in told:
        match kind:
            case EventKind.TEXT:
                parts.say(Text, data["step"], data["text"], data["offset"])
            case EventKind.THINKING:
                parts.say(Thinking, data["step"], data["text"], data["offset"])
            case EventKind.TOOL_CALL:
                parts.call(data["step"], data["call_id"], data["tool"], data["arguments"])
            case EventKind.TOOL_RESULT:
                if call := next((c for c in parts.calls() if c.call_id == data["call_id"]), None):
                    call.outcome, call.result = data["outcome"], pretty(data["content"])
            case EventKind.RESET:
                parts.take_back(data["step"])
    return parts


def _is_about(approval: Approval, call: ToolCall) -> bool:
    place = call_place(call.name, call.step + 1, call.call_id)
    return approval.execution.parent_id is None and is_at(approval.key, place)


def pretty(value: Any) -> str:
    """A JSON value with indents, a text as it is; cut where it is very long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
