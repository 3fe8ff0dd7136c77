"""Admin pages: what ran, what waits for a person, and who works on it."""

from retinue.admin.approvals import ApprovalAdmin
from retinue.admin.executions import AgentExecutionAdmin
from retinue.admin.workers import WorkerAdmin

__all__ = ["AgentExecutionAdmin", "ApprovalAdmin", "WorkerAdmin"]
