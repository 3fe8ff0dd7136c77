"""How code outside the engine asks for a run: from async code, from sync code, in a transaction, in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pydantic_ai.models
from asgiref.sync import AsyncToSync, sync_to_async
from django.core import mail
from django.db import connections

from retinue.agents.registry import is_registered
from retinue.conf import get_settings
from retinue.errors import ConfigurationError, ExecutionWaiting, TransactionOpen
from retinue.executions.models import AgentExecution
from retinue.executions.states import FINAL, Status
from retinue.providers.resolve import resolve_model
from retinue.runtime.admission import enter, give_way, joined, keep_reserved, reserve
from retinue.runtime.delegation import inherited_deps, run_child
from retinue.runtime.journal.claim import Claim
from retinue.runtime.journal.creation import Create
from retinue.runtime.loop.bridge import Bridge
from retinue.runtime.loop.engine import get_engine
from retinue.runtime.result import AgentResult
from retinue.runtime.run import Frame, HandedBack, LeaseLost, Run, current_frame
from retinue.runtime.runner import Live, execute, result_of
from retinue.runtime.submission import STORED, Submission, check_prompt, submission
from retinue.types import Principal

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent
    from retinue.runtime.streams import AgentStream

POLL = 0.2


async def run(
    agent: DjangoAgent[Any, Any],
    prompt: str,
    *,
    wait: bool = False,
    idempotency_key: str | None = None,
    options: dict[str, Any],
    **whom: Any,
) -> AgentResult[Any]:
    """See `DjangoAgent.run`."""
    if (frame := current_frame.get()) is not None:
        return await run_child(frame, _child(frame, agent, prompt, options, whom))
    submitted = await _joined(submission(agent, prompt, options=options, **whom))
    make = _rooted(submitted, wait=wait, idempotency_key=idempotency_key)
    check_model(submitted)
    match await caller_state():
        case "testcase":
            # The test's own thread does the database work, so that the run sees the test's rows.
            here: AgentResult[Any] = await sync_to_async(get_engine().run_here)(make)
            return here
        case "open":
            raise TransactionOpen
    return await asyncio.shield(asyncio.wrap_future(_submitted(make)))


def run_sync(
    agent: DjangoAgent[Any, Any],
    prompt: str,
    *,
    wait: bool = False,
    idempotency_key: str | None = None,
    options: dict[str, Any],
    **whom: Any,
) -> AgentResult[Any]:
    """See `DjangoAgent.run_sync`."""
    if current_frame.get() is not None:
        raise ConfigurationError(
            f"A tool called run_sync of the agent {agent.name!r}. Declare the tool as an async def with "
            "effects='delegate' and await run(...)."
        )
    submitted = joined(submission(agent, prompt, options=options, **whom))
    make = _rooted(submitted, wait=wait, idempotency_key=idempotency_key)
    check_model(submitted)
    match transaction_state():
        case "testcase":
            here: AgentResult[Any] = get_engine().run_here(make)
            return here
        case "open":
            raise TransactionOpen
    return _submitted(make).result()


def enqueue(
    agent: DjangoAgent[Any, Any],
    prompt: str,
    *,
    idempotency_key: str | None = None,
    run_after: datetime | None = None,
    queue: str = "default",
    priority: int = 0,
    stream: bool = False,
    options: dict[str, Any],
    **whom: Any,
) -> AgentExecution:
    """See `DjangoAgent.enqueue`."""
    submitted = joined(submission(agent, prompt, options=options, **whom))
    if submitted.model is not None:
        raise TypeError("enqueue takes a model by its name: an instance cannot reach the worker.")
    if not is_registered(agent):
        raise ConfigurationError(
            f"The agent {agent.name!r} is not in the agents module of an installed app, so no worker would find it."
        )
    execution = submitted.execution(idempotency_key=idempotency_key)
    execution.run_after, execution.queue, execution.priority = run_after, queue, priority
    execution.stream = stream
    return enter(submitted, execution)


async def start_stream(
    agent: DjangoAgent[Any, Any], prompt: str, events: AgentStream[Any], *, options: dict[str, Any], **whom: Any
) -> None:
    """Start a run whose events go to `events`. See `DjangoAgent.stream`."""
    if current_frame.get() is not None:
        raise ConfigurationError("Inside a tool, await run(...): a run in another is not streamed by itself.")
    submitted = await _joined(submission(agent, prompt, options=options, **whom))
    check_model(submitted)
    make = _rooted(submitted, wait=False, idempotency_key=None, event_handler=events.handle)
    match await caller_state():
        case "testcase":
            started = asyncio.ensure_future(sync_to_async(get_engine().run_here)(make))
            started.add_done_callback(lambda done: _tell(events, done))
            return
        case "open":
            raise TransactionOpen
    _submitted(make).add_done_callback(lambda done: _tell(events, done))


def _tell(events: AgentStream[Any], done: Future[Any] | asyncio.Future[Any]) -> None:
    error = done.exception()
    events.ended(None if error is not None else done.result(), error)


async def _joined(submitted: Submission) -> Submission:
    """See joined(): off the caller's loop, where the session is to be read."""
    return joined(submitted) if submitted.is_joined else await sync_to_async(joined)(submitted)


# --- what runs on the loop


def _submitted(make: Callable[[Bridge], Coroutine[Any, Any, AgentResult[Any]]]) -> Future[AgentResult[Any]]:
    engine = get_engine()
    return engine.submit(lambda: make(engine.bridge))


def _rooted(
    submitted: Submission,
    *,
    wait: bool,
    idempotency_key: str | None,
    event_handler: Callable[..., Any] | None = None,
) -> Callable[[Bridge], Coroutine[Any, Any, AgentResult[Any]]]:
    """A run of its own: created and claimed in one transaction, then executed. In a session it waits for its turn."""
    execution = submitted.execution(attached=True, idempotency_key=idempotency_key)
    execution.stream = event_handler is not None
    live = Live(deps=submitted.deps.copy(), model=submitted.model, event_handler=event_handler)

    async def make(bridge: Bridge) -> AgentResult[Any]:
        agent = submitted.agent
        if submitted.session is not None:
            reserve(execution)
            entered = await bridge.call(enter, submitted, execution)
            return await _follow(bridge, agent, entered, wait, live if entered is execution else None)
        created = await bridge.journal.write(
            Create(execution=execution, permission=agent.permission, wanted=agent.wanted)
        )
        if isinstance(created, AgentExecution):  # its idempotency key was used before
            return await _follow(bridge, agent, created, wait)
        return await _run_and_follow(bridge, created, agent, live, wait)

    return make


async def run_claimed(
    bridge: Bridge, run: Run, agent: DjangoAgent[Any, Any], live: Live | None = None
) -> AgentResult[Any] | None:
    """Run an execution that this process has claimed; None when it goes on, or ended, elsewhere."""
    engine = get_engine()
    engine.take(run, bridge)
    try:
        return await execute(run, agent, live)
    except (LeaseLost, HandedBack):
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        return None
    finally:
        engine.let_go(run)


async def _run_and_follow(
    bridge: Bridge, run: Run, agent: DjangoAgent[Any, Any], live: Live | None, wait: bool
) -> AgentResult[Any]:
    """Run it, and see it to its end wherever that is."""
    try:
        result = await run_claimed(bridge, run, agent, live)
    except ExecutionWaiting:
        if not wait:
            raise
        result = None
    return result if result is not None else await _follow(bridge, agent, run.execution, wait)


async def _follow(
    bridge: Bridge, agent: DjangoAgent[Any, Any], execution: AgentExecution, wait: bool, live: Live | None = None
) -> AgentResult[Any]:
    """Wait for an execution that runs elsewhere, or that waits; go on with it here when it can be claimed.

    `live`: with this, it is this process's to begin, when its turn in its session has come.
    """
    while True:
        if live is not None:
            if claimed := await bridge.journal.write(Claim(ids=[execution.pk], reserved=True)):
                return await _run_and_follow(bridge, claimed[0], agent, live, wait)
            if not wait and live.model is None and await bridge.call(give_way, bridge.alias, execution):
                raise ExecutionWaiting(
                    execution, f"Execution {execution.pk} comes after one of its session that waits for a decision."
                )
            await bridge.call(keep_reserved, bridge.alias, execution)
        current = await bridge.call(lambda: AgentExecution.objects.using(bridge.alias).get(pk=execution.pk))
        if current.status != Status.QUEUED:
            live = None  # its time was over, and another process took it, or it was cancelled
        if current.status in FINAL or (current.status == Status.WAITING and not wait):
            return result_of(agent, current)
        if wait and current.status == Status.QUEUED and not current.given.get("model_instance"):
            claimed = await bridge.journal.write(Claim(ids=[current.pk]))
            if claimed:
                return await _run_and_follow(bridge, claimed[0], agent, None, wait)
        await asyncio.sleep(POLL)


def _child(
    frame: Frame, agent: DjangoAgent[Any, Any], prompt: str, options: dict[str, Any], whom: dict[str, Any]
) -> Submission:
    """A run inside a run acts for the same principal; its deps are its parent's unless given."""
    unknown = set(options) - set(STORED)
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))} cannot be given to a run.")
    if whom.get("session") is not None:
        raise TypeError("A delegated run is part of its parent's turn: it takes no session=.")
    check_prompt(prompt)
    principal: Principal = frame.run.principal
    deps = whom.get("deps") or inherited_deps(frame.deps, agent)
    return submission(agent, prompt, deps=deps, principal=principal, options=options)


def check_model(submitted: Submission) -> None:
    """Have a missing key or an unknown model refused before anything is stored."""
    if in_tests():
        refuse_real_models()
    if submitted.model is None:
        submitted.agent.choose_model(submitted.options.get("model"), resolve_model)


# --- where the caller stands


def transaction_state() -> str:
    """`"open"` inside a transaction of the site's, `"testcase"` inside one of a TestCase only, else `"none"`."""
    alias = get_settings().database
    # Only what is there already: a connection's wrapper is made anew for every task that asks for it.
    connection = next((c for c in connections.all(initialized_only=True) if c.alias == alias), None)
    if connection is None or not connection.in_atomic_block:
        return "none"
    blocks = connection.atomic_blocks
    return "testcase" if all(getattr(block, "_from_testcase", False) for block in blocks) else "open"


async def caller_state() -> str:
    """See transaction_state(). Where sync code waits for the caller (async_to_sync), its thread has the transaction."""
    state = transaction_state()
    if state == "none" and (in_tests() or getattr(AsyncToSync.executors, "current", None) is not None):
        return await sync_to_async(transaction_state)()
    return state


def in_tests() -> bool:
    """Whether Django's test environment is set up."""
    return hasattr(mail, "outbox")


_refused_in_tests = False


def refuse_real_models() -> None:
    """In a test environment no real model is asked, unless `retinue.testing.allow_model_requests` says so."""
    global _refused_in_tests
    if not _refused_in_tests:
        _refused_in_tests = True
        pydantic_ai.models.ALLOW_MODEL_REQUESTS = False
