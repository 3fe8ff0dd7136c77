"""Deciding about calls that wait for a person."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from retinue.approvals.decisions import approve, deny
from retinue.assistant.access import decidable
from retinue.assistant.forms import DecisionForm, checked
from retinue.assistant.views.answers import execution_page
from retinue.assistant.views.base import done, given, view
from retinue.types import Principal


@view("POST", guests=True)
def decide(request: HttpRequest, principal: Principal, approval_id: UUID) -> HttpResponse:
    """Let a call happen, with other arguments where given, or refuse it with a note."""
    approval = decidable(approval_id, principal, request.user)
    asked = checked(DecisionForm(given(request)))
    if asked["decision"] == "approve":
        decided = approve(approval, by=request.user, arguments=asked["arguments"])
    else:
        decided = deny(approval, by=request.user, note=asked["note"])
    return done(request, execution_page(approval.execution.root), {"id": str(decided.pk), "status": decided.status})
