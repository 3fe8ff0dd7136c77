"""Approvals as the command line finds and shows them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db.models import Q
from django.utils import timezone

from retinue.approvals.models import Approval, ApprovalQuerySet
from retinue.conf import get_settings
from retinue.executions.states import OPEN
from retinue.management.text import duration

HEX_DIGITS = 32
SHORTEST = 4
"""How many digits of an id must be given at least."""


def open_approvals() -> ApprovalQuerySet:
    """What can still be decided, the longest waiting first."""
    in_time = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return (
        _approvals()
        .pending()
        .filter(in_time, execution__root__status__in=OPEN)
        .select_related("execution__root__user")
        .order_by("created_at")
    )


def find_approval(given: str) -> Approval:
    """The approval with this id, or the only one whose id begins like this. Raises CommandError."""
    digits = given.replace("-", "").lower()
    if not SHORTEST <= len(digits) <= HEX_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise CommandError(f"{given!r} is not the id of an approval, nor the beginning of one.")
    first, last = (UUID(digits.ljust(HEX_DIGITS, filler)) for filler in "0f")
    among = _approvals().filter(pk__gte=first, pk__lte=last).order_by("pk")
    found = list(among.select_related("execution__root")[:3])
    if not found:
        raise CommandError(f"There is no approval whose id is {given} or begins with it.")
    if len(found) > 1:
        some = ", ".join(str(approval.pk) for approval in found[:2])
        raise CommandError(f"Several approvals begin with {given}: {some}{' and more' if found[2:] else ''}.")
    return found[0]


def described(approval: Approval) -> dict[str, Any]:
    """An approval as `--json` prints it."""
    return {
        "id": str(approval.pk),
        "execution": str(approval.execution_id),
        "agent": approval.execution.agent_name,
        "tool": approval.tool_name,
        "arguments": approval.arguments,
        "changed_arguments": approval.changed_arguments,
        "reason": approval.reason,
        "status": approval.status,
        "note": approval.note,
        "created_at": approval.created_at.isoformat(),
        "expires_at": None if approval.expires_at is None else approval.expires_at.isoformat(),
        "decided_at": None if approval.decided_at is None else approval.decided_at.isoformat(),
        "decided_by": None if approval.decided_by is None else approval.decided_by.get_username(),
    }


def time_left(approval: Approval) -> str:
    """How long an open approval can still be decided."""
    if approval.expires_at is None:
        return "does not expire"
    return f"expires in {duration((approval.expires_at - timezone.now()).total_seconds())}"


def _approvals() -> ApprovalQuerySet:
    return Approval.objects.using(get_settings().database)
