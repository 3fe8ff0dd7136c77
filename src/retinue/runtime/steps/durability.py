"""How a run is journaled and replayed: one capability, at pydantic-ai's public seams.

`get_wrapper_model` and `get_wrapper_toolset` sit innermost, below every hook of a capability, so that hooks
see recorded answers just as they saw the first ones. Why not `BaseDurabilityCapability`: docs/decisions/journal.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.models import Model
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset

from retinue.agents.policy import policy_of
from retinue.runtime.run import current_frame
from retinue.runtime.steps.model_requests import JournaledModel
from retinue.runtime.steps.questions import answer_or_park
from retinue.runtime.steps.tool_calls import JournaledToolset, fresh_grants, want


@dataclass
class Durability(AbstractCapability[Any]):
    """Makes an agent's runs durable inside the engine; outside it does nothing."""

    id: str | None = "retinue"

    def get_default_run_id(self) -> str | None:
        frame = current_frame.get()
        return str(frame.execution_id) if frame else None

    def get_wrapper_model(self, model: Model) -> Model | None:
        frame = current_frame.get()
        return JournaledModel(model, frame) if frame else None

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any] | None:
        frame = current_frame.get()
        return JournaledToolset(toolset, frame) if frame else None

    async def prepare_tools(self, ctx: RunContext[Any], tool_defs: list[ToolDefinition]) -> list[ToolDefinition]:
        """Offer only what the user may use now."""
        frame = current_frame.get()
        needed = {policy_of(tool).permission for tool in tool_defs} - {None}
        if frame is None or not needed:
            return tool_defs
        want(frame.run, needed)
        grants = await fresh_grants(frame.run)
        return [tool for tool in tool_defs if grants.allows(policy_of(tool).permission)]

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        frame = current_frame.get()
        return await answer_or_park(frame, ctx, requests) if frame else None
