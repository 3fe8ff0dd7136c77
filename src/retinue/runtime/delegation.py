"""A run inside another: an execution of its own, with its own steps, under its root's lease."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any

from django.utils import timezone
from pydantic_core import to_jsonable_python

from retinue.agents.deps import DjangoDeps
from retinue.conf import get_settings
from retinue.errors import ConfigurationError, ExecutionFailed, InvalidInput
from retinue.executions.models import PATH_LENGTH, AgentExecution
from retinue.executions.states import Status
from retinue.runtime.agent import DjangoAgent
from retinue.runtime.failures import explain
from retinue.runtime.journal.children import EndChild, StartChild
from retinue.runtime.journal.creation import refusal
from retinue.runtime.journal.payload import digest
from retinue.runtime.result import AgentResult
from retinue.runtime.run import Frame, Parked, current_call
from retinue.runtime.runner import Live, call_agent, result_of
from retinue.runtime.steps.model_requests import settle_pending
from retinue.runtime.steps.tool_calls import fresh_grants, want
from retinue.runtime.submission import Submission
from retinue.storable import storable


async def run_child(parent: Frame, submitted: Submission) -> AgentResult[Any]:
    """Run an agent inside the run of another, or give what it gave before."""
    agent, run = submitted.agent, parent.run
    path = _path(parent, submitted)
    if parent.depth + 1 > get_settings().max_depth:
        raise ConfigurationError(f"Agents delegate more than {get_settings().max_depth} levels deep.")
    known = run.children.get(path)
    if known is not None and known.status in (Status.COMPLETED, Status.FAILED):
        return result_of(agent, known)
    await _check_permission(parent, agent)
    child = known or _start(parent, submitted, path)
    frame = Frame(run=run, agent=agent, execution_id=child.id, path=path, depth=parent.depth + 1)
    try:
        timeout = submitted.options.get("timeout", agent.timeout)
        async with asyncio.timeout(timeout):
            result = await call_agent(
                frame, submitted.prompt, submitted.deps, submitted.options, Live(model=submitted.model)
            )
        await settle_pending(frame)
    except Parked:
        raise
    except Exception as error:  # whatever ends a child is on its record
        if any(parked.startswith(f"{path}/") for parked in run.parked_paths):
            raise Parked from None
        code, message = explain(error)
        await _end(frame, child, status=Status.FAILED, error_code=code, error_message=storable(message))
        raise ExecutionFailed(child, message) from error
    output = storable(to_jsonable_python(result.output))
    await _end(frame, child, status=Status.COMPLETED, output_data=output)
    # Rebuilt from what was stored, so that the first run and a replay see the same.
    return AgentResult(output=agent.load_output(output), execution=child, messages=result.all_messages())


def _path(parent: Frame, submitted: Submission) -> str:
    call = current_call.get()
    if call is None or call.effects != "delegate":
        what = f"The tool {call.tool_name!r} runs" if call else "Code outside a tool ran"
        raise ConfigurationError(
            f"{what} the agent {submitted.agent.name!r} without saying so: declare the tool as an async def "
            "with effects='delegate'."
        )
    name = submitted.options.get("key") or digest(submitted.prompt).hex()[:16]
    path = parent.place(f"{parent.path}/{call.key}/{submitted.agent.name}[{name}]")
    if len(path) > PATH_LENGTH:
        raise InvalidInput(
            f"The place of this delegated run takes more than {PATH_LENGTH} characters: shorten its key."
        )
    return path


async def _check_permission(parent: Frame, agent: DjangoAgent[Any, Any]) -> None:
    run = parent.run
    want(run, agent.wanted)
    grants = await fresh_grants(run)
    if not grants.may_run(agent.permission):
        raise refusal(grants, agent.name)


def _start(parent: Frame, submitted: Submission, path: str) -> AgentExecution:
    """The child's row. Written with its first step, in the same transaction."""
    run, root = parent.run, parent.run.execution
    child = submitted.execution()
    child.root_id, child.parent_id, child.path = root.id, parent.execution_id, path
    child.status, child.started_at, child.queue = Status.RUNNING, timezone.now(), root.queue
    run.children[path] = child
    run.bridge.journal.post(StartChild(run=run, execution=child))
    return child


async def _end(frame: Frame, child: AgentExecution, **values: Any) -> None:
    now = timezone.now()
    started = child.started_at or now
    values |= frame.run.used(frame.path) | {
        "completed_at": now,
        "execution_time": (now - started).total_seconds(),
    }
    await frame.run.bridge.journal.write(EndChild(run=frame.run, execution_id=child.id, values=values))
    for name, value in values.items():
        setattr(child, name, value)


def inherited_deps(parent: DjangoDeps, agent: DjangoAgent[Any, Any]) -> DjangoDeps:
    """A parent's deps for its child: all fields where the type fits, else those that every deps have."""
    wanted: type[DjangoDeps] = type(parent) if isinstance(parent, agent.deps_type) else agent.deps_type
    names = [f.name for f in fields(wanted) if f.init and hasattr(parent, f.name)]
    return wanted(**{name: getattr(parent, name) for name in names})
