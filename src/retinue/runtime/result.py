"""What a run gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic_ai.messages import ModelMessage

if TYPE_CHECKING:
    from retinue.executions.models import AgentExecution

OutputT_co = TypeVar("OutputT_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class AgentResult(Generic[OutputT_co]):
    """The output of a run, and the execution that is its record."""

    output: OutputT_co
    execution: AgentExecution
    messages: list[ModelMessage] = field(default_factory=list, repr=False)
    """The conversation, this run's part last. Empty where the run finished in another process."""

    @property
    def tokens_used(self) -> int:
        """Tokens of all model requests, those of delegated runs included."""
        return self.execution.tokens_used

    @property
    def cost(self) -> Decimal | None:
        """US dollars, delegated runs included; None where a price is not known."""
        cost: Decimal | None = self.execution.cost
        return cost

    @property
    def from_cache(self) -> bool:
        """Whether an earlier run answered."""
        return self.execution.from_cache

    @property
    def execution_time(self) -> float:
        """Seconds of work; waiting is left out."""
        return self.execution.execution_time
