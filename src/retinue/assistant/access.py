"""Whose is what: his own, and for holders of Django's view permissions to read that of others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from retinue.approvals.models import Approval
from retinue.conf import get_settings
from retinue.executions.models import AgentExecution
from retinue.http.access import VIEW_SESSIONS, may_view
from retinue.sessions.lifecycle import find_session
from retinue.sessions.models import AISession
from retinue.types import Principal

DECIDE = "retinue.decide_approval"

own_session = find_session


def readable_session(session_id: UUID, principal: Principal, user: Any) -> AISession:
    """A session of one's own, or anyone's with the permission to view them. Raises UnknownSession."""
    if user.has_perm(VIEW_SESSIONS):
        found = AISession.objects.using(get_settings().database).filter(pk=session_id).first()
        if found is not None:
            return found
    return find_session(session_id, principal)


def own_execution(execution_id: UUID, principal: Principal) -> AgentExecution:
    """A run of one's own that nobody delegated. Raises Http404."""
    execution = _execution(execution_id)
    if execution is None or execution.principal != principal:
        raise _not_there()
    return execution


def readable_execution(execution_id: UUID, principal: Principal, user: Any) -> AgentExecution:
    """See own_execution(); or anyone's with the permission to view it or its session."""
    execution = _execution(execution_id)
    if execution is None or not may_view(execution, principal, user):
        raise _not_there()
    return execution


def decidable(approval_id: UUID, principal: Principal, user: Any) -> Approval:
    """A question of one's own runs, or anyone's with the permission to decide. Raises Http404."""
    rows = Approval.objects.using(get_settings().database).select_related("execution__root")
    approval = rows.filter(pk=approval_id).first()
    if approval is None or not (approval.execution.root.principal == principal or user.has_perm(DECIDE)):
        raise Http404(_("There is no such approval."))
    return approval


def _execution(execution_id: UUID) -> AgentExecution | None:
    rows = AgentExecution.objects.using(get_settings().database).roots()
    return rows.filter(pk=execution_id).select_related("session").first()


def _not_there() -> Http404:
    return Http404(_("There is no such message."))
