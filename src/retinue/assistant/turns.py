"""What a page shows of executions: each is one message and its answer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from retinue.approvals.models import Approval
from retinue.assistant.parts import Part, Parts, parts_of
from retinue.budgets.units import Unit
from retinue.conf import get_settings
from retinue.executions.events import Event, to_event
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep
from retinue.executions.states import EventKind, Status, StepKind
from retinue.executions.transcript import told_by_events, told_by_steps

if TYPE_CHECKING:
    from retinue.sessions.models import AISession
    from retinue.types import Principal

SHOWN = 50
"""How many messages a page shows at once."""
FRAGMENT = "fragment"
"""The query that asks for a message without the page around it."""


@dataclass(kw_only=True)
class Turn:
    """One message, and what came of it until now."""

    execution: AgentExecution
    parts: list[Part] = field(default_factory=list)
    last_event_id: str = ""
    """Up to which event the parts are: a stream goes on from there."""
    resumed: bool = False
    """Whether a second process went on with it."""
    is_last: bool = False
    is_replaced: bool = False
    is_own: bool = False
    is_in_use: bool = False
    """Whether it is in a session that goes on."""
    versions: list[AgentExecution] = field(default_factory=list)
    """What it replaced, the newest first."""

    @property
    def id(self) -> UUID:
        return self.execution.pk

    @property
    def prompt(self) -> str:
        return self.execution.input_prompt

    @property
    def is_open(self) -> bool:
        return not self.execution.is_final

    @property
    def is_waiting(self) -> bool:
        return self.execution.status == Status.WAITING

    @property
    def may_change(self) -> bool:
        """Whether it can be edited or answered anew."""
        return self.is_own and self.is_last and self.is_in_use

    @property
    def events_url(self) -> str:
        return reverse("ai_assistant:execution_events", args=[self.id])

    @property
    def turn_url(self) -> str:
        """Where scripts find it anew."""
        return fragment_url(self.id)

    @property
    def charge(self) -> Decimal | None:
        charge: Decimal | None = self.execution.charge
        return charge

    @property
    def unit(self) -> str:
        """The name of what `charge` counts."""
        return Unit.CREDITS.shown

    @property
    def cost(self) -> Decimal | None:
        cost: Decimal | None = self.execution.cost
        return cost

    @property
    def tokens(self) -> int:
        return self.execution.tokens_used

    @property
    def seconds(self) -> float:
        return self.execution.execution_time

    @property
    def quality(self) -> float | None:
        return self.execution.quality_score

    @property
    def error_message(self) -> str:
        return self.execution.error_message

    @property
    def rating(self) -> int | None:
        return self.execution.rating

    @property
    def rating_note(self) -> str:
        return self.execution.rating_note


def fragment_url(execution_id: UUID) -> str:
    """The address of a message and its answer as a piece of HTML."""
    return f"{reverse('ai_assistant:execution_detail', args=[execution_id])}?{FRAGMENT}"


def turns_of(
    session: AISession,
    *,
    user: Any = None,
    principal: Principal | None = None,
    replaced: bool = False,
    before: UUID | None = None,
    limit: int = SHOWN,
) -> list[Turn]:
    """The last messages of a session (before the one of that id), the oldest first.

    `user` is who may decide, `principal` who may act: whose page it is. `replaced`: with the ones that were replaced.
    """
    rows = _rows().filter(session=session)
    if not replaced:
        rows = rows.filter(replaced_by=None)
    newest = rows.order_by("-created_at", "-pk")
    last = newest.filter(replaced_by=None).values_list("pk", flat=True).first() if before else None
    if before is not None and (mark := rows.filter(pk=before).values_list("created_at", "pk").first()):
        newest = newest.filter(Q(created_at__lt=mark[0]) | Q(created_at=mark[0], pk__lt=mark[1]))
    found = list(newest[:limit])
    if before is None:
        last = next((row.pk for row in found if _replacer(row) is None), None)
    return _turns(found[::-1], session, last, user, principal)


def turn_of(execution: AgentExecution, *, user: Any = None, principal: Principal | None = None) -> Turn:
    """What a page shows of one execution."""
    row = _rows().select_related("session").get(pk=execution.pk)
    last = None
    if row.session is not None:
        messages = row.session.executions.using(_alias()).filter(parent=None, replaced_by=None)
        last = messages.order_by("-created_at", "-pk").values_list("pk", flat=True).first()
    return _turns([row], row.session, last, user, principal)[0]


def _alias() -> str:
    return get_settings().database


def _rows() -> Any:
    return AgentExecution.objects.using(_alias()).roots().select_related("replaced_by")


def _replacer(row: AgentExecution) -> AgentExecution | None:
    return getattr(row, "replaced_by", None)


def _turns(
    rows: Sequence[AgentExecution], session: AISession | None, last: Any, user: Any, principal: Principal | None
) -> list[Turn]:
    """With as many queries for a hundred messages as for one."""
    content = _Content(rows)
    earlier = _earlier(session, rows)
    return [
        Turn(
            execution=row,
            parts=content.parts(row, user).list,
            last_event_id=content.last_event_id(row),
            resumed=content.resumed(row),
            is_last=row.pk == last,
            is_replaced=_replacer(row) is not None,
            is_own=principal is not None and row.principal == principal,
            is_in_use=session is not None and session.is_active,
            versions=_versions(row, earlier),
        )
        for row in rows
    ]


def _earlier(session: AISession | None, rows: Sequence[AgentExecution]) -> dict[UUID, AgentExecution]:
    """What was replaced in the session."""
    if session is None or all(row.replaces_id is None for row in rows):
        return {}
    replaced = AgentExecution.objects.using(_alias()).filter(session=session, replaced_by__isnull=False)
    return {row.pk: row for row in replaced}


def _versions(row: AgentExecution, earlier: dict[UUID, AgentExecution]) -> list[AgentExecution]:
    found: list[AgentExecution] = []
    while (row := earlier.get(row.replaces_id)) is not None and row not in found:  # type: ignore[arg-type, assignment]
        found.append(row)
    return found


class _Content:
    """What is stored about executions: their steps, events and questions.

    A run that has not completed is told from its events: what it said before it stopped is nowhere else.
    """

    def __init__(self, rows: Sequence[AgentExecution]) -> None:
        alias, ids = _alias(), [row.pk for row in rows]
        told = [row.pk for row in rows if row.stream and row.status != Status.COMPLETED]
        self._events: dict[UUID, list[Event]] = defaultdict(list)
        events = ExecutionEvent.objects.using(alias).filter(execution__in=ids)
        for event in events.filter(Q(execution__in=told) | Q(kind=EventKind.STATE)).order_by(
            "execution", "epoch", "seq"
        ):
            self._events[event.execution_id].append(to_event(event))
        self._told = {pk for pk in told if self._events.get(pk)}
        self._steps: dict[UUID, list[ExecutionStep]] = defaultdict(list)
        steps = ExecutionStep.objects.using(alias).filter(execution__in=set(ids) - self._told)
        for step in steps.filter(kind__in=[StepKind.MODEL, StepKind.TOOL]).order_by("pk"):
            self._steps[step.execution_id].append(step)
        self._approvals: dict[UUID, list[Approval]] = defaultdict(list)
        asked = (
            Approval.objects.using(alias)
            .filter(execution__root__in=ids)
            .select_related("execution__root", "decided_by")
        )
        for approval in asked.order_by("created_at"):
            self._approvals[approval.execution.root_id].append(approval)

    def parts(self, row: AgentExecution, user: Any) -> Parts:
        is_told = row.pk in self._told
        parts = parts_of(told_by_events(self._events[row.pk]) if is_told else told_by_steps(self._steps[row.pk]))
        if row.status == Status.COMPLETED:
            if not isinstance(row.output_data, str):
                parts.forget_unanswered()  # a structured output comes as a call of no tool
            parts.answer(_written(row.output_data))
        parts.ask(self._approvals[row.pk], user)
        if row.is_final and row.status != Status.COMPLETED:
            parts.close()
        return parts

    def last_event_id(self, row: AgentExecution) -> str:
        """The end is left to the stream: it is what closes it."""
        events = [event for event in self._events[row.pk] if event.kind != EventKind.FINAL]
        return str(events[-1].id) if row.pk in self._told and events else ""

    def resumed(self, row: AgentExecution) -> bool:
        return any(event.kind == EventKind.STATE and event.content.get("resumed") for event in self._events[row.pk])


def _written(output: Any) -> str:
    """An output as Markdown."""
    return output if isinstance(output, str) else f"```json\n{json.dumps(output, ensure_ascii=False, indent=2)}\n```"
