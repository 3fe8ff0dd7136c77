"""All of Retinue's tables, for Django to find. Other code imports from the packages."""

from retinue.approvals.models import Approval
from retinue.budgets.models import Budget, BudgetPeriod, Hold, LedgerEntry
from retinue.executions.models import AgentExecution, ExecutionStep, Worker

__all__ = [
    "AgentExecution",
    "Approval",
    "Budget",
    "BudgetPeriod",
    "ExecutionStep",
    "Hold",
    "LedgerEntry",
    "Worker",
]
