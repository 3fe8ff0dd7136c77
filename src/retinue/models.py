"""All of Retinue's tables, for Django to find. Other code imports from the packages."""

from retinue.approvals.models import Approval
from retinue.executions.models import AgentExecution, ExecutionStep, Worker

__all__ = ["AgentExecution", "Approval", "ExecutionStep", "Worker"]
