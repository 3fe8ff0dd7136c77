"""Admin pages: what ran, what waits for a person, who works on it, and what may be used."""

from retinue.admin.approvals import ApprovalAdmin
from retinue.admin.budgets import BudgetAdmin
from retinue.admin.executions import AgentExecutionAdmin
from retinue.admin.ledger import LedgerEntryAdmin
from retinue.admin.sessions import AISessionAdmin
from retinue.admin.workers import WorkerAdmin

__all__ = [
    "AISessionAdmin",
    "AgentExecutionAdmin",
    "ApprovalAdmin",
    "BudgetAdmin",
    "LedgerEntryAdmin",
    "WorkerAdmin",
]
