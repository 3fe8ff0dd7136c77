"""Deciding: one conditional update for each approval, whoever else decides at the same time."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import ValidationError
from pydantic_core import to_json

from retinue.agents.registry import get_agent
from retinue.approvals.models import Approval
from retinue.conf import get_settings
from retinue.dispatcher import get_dispatcher
from retinue.errors import AlreadyDecided, DecisionNotAllowed, InvalidArguments
from retinue.executions.models import AgentExecution
from retinue.executions.states import FINAL, Status
from retinue.types import Principal

PERMISSION = "retinue.decide_approval"


def approve(approval: Approval, *, by: Any, arguments: dict[str, Any] | None = None) -> Approval:
    """Let the call happen, with these arguments in place of the model's where given.

    Raises DecisionNotAllowed, InvalidArguments, or AlreadyDecided (also when its time is over).
    """
    check_decider(approval, by)
    changed = None
    if arguments is not None and arguments != approval.arguments:
        _validate(approval, arguments)
        changed = to_json(arguments)
    return _decide(approval, by, status=Approval.Status.APPROVED, changed_json=changed)


def deny(approval: Approval, *, by: Any, note: str = "") -> Approval:
    """Refuse the call; the model is told the note. Raises DecisionNotAllowed or AlreadyDecided."""
    check_decider(approval, by)
    return _decide(approval, by, status=Approval.Status.DENIED, note=note.replace("\x00", ""))


async def aapprove(approval: Approval, *, by: Any, arguments: dict[str, Any] | None = None) -> Approval:
    """See approve()."""
    return await sync_to_async(approve)(approval, by=by, arguments=arguments)


async def adeny(approval: Approval, *, by: Any, note: str = "") -> Approval:
    """See deny()."""
    return await sync_to_async(deny)(approval, by=by, note=note)


def may_decide(approval: Approval, user: Any) -> bool:
    """Whether this user may decide: the run's own user, or a holder of `retinue.decide_approval`."""
    if not (user.is_authenticated and user.is_active):
        return False
    return approval.execution.root.principal == Principal.of(user) or user.has_perm(PERMISSION)


def check_decider(approval: Approval, user: Any) -> None:
    if not may_decide(approval, user):
        raise DecisionNotAllowed


def _validate(approval: Approval, arguments: dict[str, Any]) -> None:
    if not isinstance(arguments, dict):
        raise InvalidArguments(_("Arguments are a JSON object."))
    try:
        get_agent(approval.execution.agent_name).validate_arguments(approval.tool_name, arguments)
        to_json(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or approval.tool_name
        raise InvalidArguments(f"{place}: {first['msg']}") from error
    except ValueError as error:
        raise InvalidArguments(_("The arguments cannot be stored as JSON.")) from error


def _decide(approval: Approval, by: Any, **values: Any) -> Approval:
    """Decide, and make the run claimable once nothing else of that execution is open."""
    alias = get_settings().database
    now = timezone.now()
    approvals = Approval.objects.using(alias)
    with transaction.atomic(using=alias):
        # Everyone who decides about this run, and the run itself when it parks, takes this lock first.
        root = AgentExecution.objects.using(alias).select_for_update(no_key=True).get(pk=approval.execution.root_id)
        if root.status in FINAL:
            raise AlreadyDecided(_("The run has ended; there is nothing to decide any more."))
        open_now = approvals.filter(pk=approval.pk, status=Approval.Status.PENDING).exclude(expires_at__lte=now)
        if not open_now.update(decided_at=now, decided_by=by, **values):
            raise AlreadyDecided
        others = approvals.pending().filter(execution=approval.execution_id).exclude(expires_at__lte=now)
        if not others.exists():
            woken = AgentExecution.objects.using(alias).filter(pk=root.pk, status=Status.WAITING)
            if woken.update(status=Status.QUEUED, run_after=None):
                dispatcher = get_dispatcher()
                transaction.on_commit(lambda: dispatcher.dispatch(root.pk, root.queue), using=alias)
    approval.refresh_from_db(using=alias)
    return approval
