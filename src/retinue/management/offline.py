"""Whether it was the offline model that answered: it must never pass for a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retinue.conf import get_settings
from retinue.executions.models import ExecutionStep
from retinue.executions.states import StepKind

if TYPE_CHECKING:
    from retinue.executions.models import AgentExecution


def answered_offline(execution: AgentExecution) -> bool:
    """Whether the offline model gave any answer of the run, those of delegated runs included."""
    steps = ExecutionStep.objects.using(get_settings().database).filter(execution__root=execution.root_id)
    return steps.filter(kind=StepKind.MODEL, name__startswith="offline:").exists()
