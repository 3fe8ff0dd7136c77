"""Who may look at what others have asked: holders of Django's view permissions."""

from __future__ import annotations

from typing import Any

from retinue.executions.models import AgentExecution
from retinue.types import Principal

VIEW_EXECUTIONS = "retinue.view_agentexecution"
VIEW_SESSIONS = "retinue.view_aisession"


def may_view(execution: AgentExecution, principal: Principal, user: Any) -> bool:
    """Whether a run is one's own, or of those one may view; the permission for sessions covers the runs in them."""
    if execution.principal == principal or user.has_perm(VIEW_EXECUTIONS):
        return True
    return execution.session_id is not None and bool(user.has_perm(VIEW_SESSIONS))
