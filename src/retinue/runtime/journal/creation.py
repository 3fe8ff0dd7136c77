"""A new run that this process starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from retinue.budgets.applicable import applicable
from retinue.errors import AgentPermissionDenied, IdempotencyConflict
from retinue.executions.models import AgentExecution
from retinue.runtime.context import inputs
from retinue.runtime.grants import Grants, load_grants
from retinue.runtime.journal.statements.executions import insert_executions
from retinue.runtime.purse import Purse
from retinue.runtime.run import Run


@dataclass(slots=True, kw_only=True)
class Create:
    """A new root execution that this process runs at once. Gives its `Run`, or the execution that was there."""

    rank: ClassVar[int] = 0
    execution: AgentExecution
    permission: str | None
    wanted: tuple[str, ...]
    again: bool = False

    def is_single(self, alias: str) -> bool:
        return not self.again

    @staticmethod
    def apply(alias: str, operations: list[Create]) -> list[Run | AgentExecution | Exception]:
        grants = load_grants([(op.execution.principal, op.wanted) for op in operations], alias)
        budgets = applicable(alias, {op.execution.principal for op in operations})
        results: list[Any] = [None] * len(operations)
        fresh = []
        for position, op in enumerate(operations):
            execution = op.execution
            mine = grants[execution.principal]
            if not mine.may_run(op.permission):
                results[position] = refusal(mine, execution.agent_name)
            elif execution.idempotency_key is not None and (earlier := find_earlier(alias, execution)):
                results[position] = earlier
            else:
                assert execution.lease_token is not None
                results[position] = Run(
                    execution=execution,
                    token=execution.lease_token,
                    principal=execution.principal,
                    grants=mine,
                    wanted=op.wanted,
                    purse=Purse(budgets[execution.principal]),
                )
                if not (op.again and AgentExecution.objects.using(alias).filter(pk=execution.pk).exists()):
                    fresh.append(execution)
        if fresh:
            insert_executions(alias, fresh)
        return results


def refusal(grants: Grants, agent_name: str) -> AgentPermissionDenied:
    """Why this principal may not run that agent."""
    if grants.principal.is_user and not grants.exists:
        return AgentPermissionDenied(f"There is no user {grants.principal.key!r}.")
    if grants.principal.is_user and not grants.is_active:
        return AgentPermissionDenied("The user is not active.")
    return AgentPermissionDenied(f"{grants.principal} may not run the agent {agent_name!r}.")


def _inputs(execution: AgentExecution) -> dict[str, Any]:
    return {**execution.given, "context": inputs(execution.given.get("context", {}))}


def find_earlier(alias: str, execution: AgentExecution) -> AgentExecution | IdempotencyConflict | None:
    """The execution that has this idempotency key already, if its input is the same."""
    earlier = (
        AgentExecution.objects.using(alias)
        .of(execution.principal)
        .filter(agent_name=execution.agent_name, idempotency_key=execution.idempotency_key)
        .first()
    )
    if earlier is None or bytes(earlier.input) == bytes(execution.input) or _inputs(earlier) == _inputs(execution):
        return earlier
    return IdempotencyConflict(
        f"The idempotency key {execution.idempotency_key!r} was used before for {execution.agent_name!r}, "
        "with another input."
    )
