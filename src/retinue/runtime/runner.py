"""One run, from its claim to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.utils import timezone
from pydantic_ai import UsageLimits
from pydantic_ai.capabilities import ReinjectSystemPrompt
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models import Model
from pydantic_core import to_json, to_jsonable_python

from retinue.agents.deps import DjangoDeps, load_deps
from retinue.conf import get_settings
from retinue.errors import (
    BudgetExceeded,
    ConfigurationError,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionWaiting,
    InvalidInput,
    RetinueError,
)
from retinue.executions.models import AgentExecution
from retinue.executions.states import FINAL, Status, StepKind
from retinue.providers.resolve import resolve_model
from retinue.runtime import points
from retinue.runtime.agent import DjangoAgent
from retinue.runtime.context import restored
from retinue.runtime.events.recorder import last_events
from retinue.runtime.failures import explain
from retinue.runtime.history import history_of, keep_messages
from retinue.runtime.journal.creation import refusal
from retinue.runtime.journal.ending import End
from retinue.runtime.journal.statements.endings import Ending
from retinue.runtime.journal.statements.steps import StepRow
from retinue.runtime.journal.steps import WriteStep
from retinue.runtime.journal.writer import is_away
from retinue.runtime.response_cache import FREE, CachedAnswer, Question, is_shared, seconds_of
from retinue.runtime.result import AgentResult
from retinue.runtime.run import Frame, HandedBack, LeaseLost, Run, current_frame
from retinue.runtime.steps.model_requests import last_step
from retinue.runtime.steps.stakes import last_accounting, settle_lost
from retinue.signals import execution_finished
from retinue.storable import storable

logger = logging.getLogger("retinue.runs")


@dataclass(kw_only=True)
class Live:
    """What lives only in the process that started the run."""

    deps: DjangoDeps | None = None
    model: Model | None = None
    event_handler: Callable[..., Any] | None = None


async def execute(run: Run, agent: DjangoAgent[Any, Any], live: Live | None = None) -> AgentResult[Any]:
    """Run it to its next stop. Raises ExecutionFailed, -Waiting or -Cancelled; LeaseLost and HandedBack as such."""
    live = live or Live()
    if run.steps:
        points.reach(points.RESUMED)
    frame = Frame(run=run, agent=agent, execution_id=run.id)
    if run.recorder is not None:
        run.recorder.started()
        live = replace(live, event_handler=run.recorder.around(live.event_handler))
    try:
        return await _to_next_stop(run, agent, frame, live)
    finally:
        if frame.question is not None:
            await frame.question.close()


async def _to_next_stop(run: Run, agent: DjangoAgent[Any, Any], frame: Frame, live: Live) -> AgentResult[Any]:
    try:
        result = await _guarded(run, agent, frame, live)
    except HandedBack:
        await _end(run, Ending(status=Status.QUEUED, **_place(run)))
        raise
    except LeaseLost:
        raise
    except asyncio.CancelledError:
        if not run.cut:
            raise LeaseLost(f"Execution {run.id} was stopped.") from None
        _uncancel()
        await _end(run, Ending(status=Status.QUEUED, **_place(run)))
        raise HandedBack from None
    except Exception as error:  # whatever an agent raises ends its run, on record
        if run.parked_paths:
            await _park(run)
        await _fail(run, error)
    output = storable(to_jsonable_python(result.output))
    used = _place(run)
    if isinstance(result, CachedAnswer):
        used |= {"from_cache": True} if run.spendings else FREE  # what summed up the conversation has its price
    ending = Ending(status=Status.COMPLETED, output=to_json(output).decode(), **used)
    try:
        last = await last_step(frame)
        if run.execution.session_id is not None:
            keep_messages(run, result.new_messages())
        await _end(run, ending, last=last)
    except Exception as error:  # the drivers have many ways to refuse a value
        if is_away(error):
            raise
        await _fail(run, error)  # the database does not take its last step
    run.execution.output_data = output
    if frame.question is not None and not ending.from_cache:
        frame.question.keep(output, result.output)
        await frame.question.close()  # those that wait do not wait for what the site does next
    await _announce(run)
    return AgentResult(output=result.output, execution=run.execution, messages=result.all_messages())


async def _guarded(run: Run, agent: DjangoAgent[Any, Any], frame: Frame, live: Live) -> Any:
    """The run itself, with what it inherits and within its time."""
    if not run.grants.may_run(agent.permission):
        raise refusal(run.grants, agent.name)
    given = run.execution.given
    options = given.get("options", {})
    if given.get("model_instance") and live.model is None:
        raise ConfigurationError("The run was given a model instance, which died with its process.")
    await _note_change(run, agent)
    deps = live.deps if live.deps is not None else load_deps(agent.deps_type, given["deps"])
    timeout = options.get("timeout", agent.timeout)
    run.inherited = given.get("context", {})
    with restored(run.inherited):
        async with _limited(None if timeout is None else timeout - run.execution.execution_time), _surroundings(frame):
            if run.execution.session_id is not None and (history := await history_of(frame, options, live)):
                options = {**options, "message_history": history}
            if (seconds := seconds_of(options.get("cache", agent.cache))) and is_shared(run, agent):
                frame.question = Question(frame=frame, seconds=seconds, options=options)
                if (answer := await frame.question.answer()) is not None:
                    await frame.question.tell(answer, deps, live.event_handler)
                    return answer
            return await call_agent(frame, given["prompt"], deps, options, live)


async def call_agent(frame: Frame, prompt: str, deps: DjangoDeps, options: dict[str, Any], live: Live) -> Any:
    """pydantic-ai's own run, with the frame's journal beneath it."""
    agent = frame.agent
    token = current_frame.set(frame)
    history = options.get("message_history")
    limits = options.get("usage_limits")
    frame.deps = deps.bind(frame.run.principal, agent.name, frame.execution_id)
    frame.max_cost = _limit(options.get("max_cost", agent.max_cost))
    frame.max_credits = _limit(options.get("max_credits", agent.max_credits))
    try:
        result = await agent.run_unguarded(
            prompt,
            deps=frame.deps,
            model=live.model or agent.choose_model(options.get("model"), resolve_model),
            message_history=None if history is None else ModelMessagesTypeAdapter.validate_python(history),
            model_settings=options.get("model_settings"),
            usage_limits=None if limits is None else UsageLimits(**limits),
            event_stream_handler=live.event_handler,
            capabilities=[ReinjectSystemPrompt()] if history and _is_turn(frame) else None,
        )
        await _check_output(result.output)
        return result
    finally:
        current_frame.reset(token)


def _is_turn(frame: Frame) -> bool:
    """Whether it answers a message of a session. The history has no system prompts then: the agent gives its own."""
    return frame.run.execution.session_id is not None and not frame.path


def _limit(given: Any) -> Decimal | None:
    return None if given is None else Decimal(str(given))


async def _check_output(output: Any) -> None:
    try:
        to_jsonable_python(output)
    except ValueError as error:
        raise InvalidInput(f"The output, a {type(output).__name__}, cannot be stored as JSON.") from error


def _uncancel() -> None:
    """Go on after a cancellation, to write what must be written."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


@asynccontextmanager
async def _limited(seconds: float | None) -> AsyncIterator[None]:
    """Stop after so many seconds of work."""
    if seconds is None:
        yield
        return
    async with asyncio.timeout(max(seconds, 0.001)):
        yield


@asynccontextmanager
async def _surroundings(frame: Frame) -> AsyncIterator[None]:
    """Where sync functions, and ORM calls of async ones, run."""
    bridge = frame.run.bridge
    async with ThreadSensitiveContext(executor=bridge.orm_lane()):
        with DjangoAgent.using_thread_executor(bridge.executor):
            yield


async def _note_change(run: Run, agent: DjangoAgent[Any, Any]) -> None:
    """Say in the journal that the agent's definition changed while the run was away, or refuse."""
    if run.execution.agent_digest in ("", agent.digest):
        return
    if get_settings().resume_changed == "fail":
        raise ConfigurationError(f"The definition of {agent.name!r} changed since the run began.")
    key = f"note:changed:{agent.digest}"
    if (run.id, key) not in run.steps:
        row = StepRow(
            execution_id=run.id,
            key=key,
            kind=StepKind.NOTE,
            name="definition changed",
            digest=b"",
            payload=to_json({"from": run.execution.agent_digest, "to": agent.digest}),
            started_at=timezone.now(),
        )
        await run.bridge.journal.write(WriteStep(run=run, row=row))


def _place(run: Run) -> dict[str, Any]:
    """The values that every ending carries."""
    return run.used("") | {
        "execution_id": run.id,
        "token": run.token,
        "execution_time": run.elapsed(),
        "quality_score": run.execution.quality_score,
    }


async def _park(run: Run) -> Any:
    ending = Ending(status=Status.WAITING, run_after=run.wake_at, **_place(run))
    points.reach(points.BEFORE_PARK)
    await _end(run, ending, run.questions)
    points.reach(points.AFTER_PARK)
    raise ExecutionWaiting(run.execution, f"Execution {run.id} of {run.execution.agent_name!r} waits for a decision.")


async def _fail(run: Run, error: Exception) -> Any:
    code, message = explain(error)
    if not isinstance(error, RetinueError | TimeoutError):
        logger.warning("Execution %s of %s failed", run.id, run.execution.agent_name, exc_info=error)
    run.purse.is_certain = not run.purse.budgets  # what failed may have been a write
    ending = Ending(status=Status.FAILED, error_code=code, error_message=storable(message), **_place(run))
    await _end(run, ending)
    await _announce(run)
    if isinstance(error, BudgetExceeded) and not run.spendings:
        error.execution = run.execution
        raise error  # it did not even begin
    raise ExecutionFailed(run.execution, message) from error


async def _end(run: Run, ending: Ending, questions: Any = (), last: WriteStep | None = None) -> None:
    if ending.status in FINAL:
        ending.completed_at = timezone.now()
    run.ending = True
    events = last_events(run, ending, questions)
    step = None if last is None else last.row
    accounting = last_accounting(run, last)
    try:
        await run.bridge.journal.write(
            End(run=run, ending=ending, approvals=questions, step=step, accounting=accounting, events=events)
        )
    except LeaseLost:
        if last is not None:
            settle_lost(run, last)
        raise
    if run.recorder is not None:
        run.recorder.published(events)
    ending.show_on(run.execution)
    run.lost = True  # the lease is given up


async def _announce(run: Run) -> None:
    """Tell the site, where anybody listens."""
    if len(execution_finished.receivers) > 1:  # the engine's own is always there
        await run.bridge.call(lambda: execution_finished.send_robust(AgentExecution, execution=run.execution))


def result_of(agent: DjangoAgent[Any, Any], execution: AgentExecution) -> AgentResult[Any]:
    """The result of an execution that ended elsewhere. Raises as `run` does."""
    match execution.status:
        case Status.COMPLETED:
            return AgentResult(output=agent.load_output(execution.output_data), execution=execution)
        case Status.CANCELLED:
            raise ExecutionCancelled(execution)
        case Status.FAILED:
            raise ExecutionFailed(execution, execution.error_message)
        case _:
            raise ExecutionWaiting(execution, f"Execution {execution.id} is {execution.status}.")
