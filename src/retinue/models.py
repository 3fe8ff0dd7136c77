"""All of Retinue's tables, for Django to find. Other code imports from the packages."""

from retinue.approvals.models import Approval
from retinue.budgets.models import Budget, BudgetPeriod, Hold, LedgerEntry
from retinue.executions.models import AgentExecution, ExecutionEvent, ExecutionStep, Worker
from retinue.sessions.models import AISession

__all__ = [
    "AISession",
    "AgentExecution",
    "Approval",
    "Budget",
    "BudgetPeriod",
    "ExecutionEvent",
    "ExecutionStep",
    "Hold",
    "LedgerEntry",
    "Worker",
]
