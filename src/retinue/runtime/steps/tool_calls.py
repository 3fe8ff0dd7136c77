"""Tool calls: each kind of effects has its own way through a crash."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgiref.sync import ThreadSensitiveContext
from django.utils import timezone
from pydantic_ai import ModelRetry, RunContext, ToolFailed
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.toolsets import (
    AbstractToolset,
    CombinedToolset,
    FunctionToolset,
    PreparedToolset,
    ToolsetTool,
    WrapperToolset,
)
from pydantic_ai.toolsets.combined import _CombinedToolsetTool
from pydantic_ai.toolsets.function import FunctionToolsetTool

from retinue.agents.deps import reset_call_key, set_call_key
from retinue.agents.policy import ToolPolicy, policy_of
from retinue.executions.places import call_place, mark_key, question_key
from retinue.executions.states import StepKind
from retinue.runtime import points
from retinue.runtime.grants import Grants
from retinue.runtime.journal.lookups import LoadGrants
from retinue.runtime.journal.payload import (
    FAILED,
    RETRY,
    Failure,
    call_digest,
    dump_result,
    load_result,
    redact,
)
from retinue.runtime.journal.statements.steps import StepRow
from retinue.runtime.journal.steps import FindStep, WriteStep
from retinue.runtime.journal.writer import is_away, is_transient
from retinue.runtime.run import Call, Frame, Parked, Recorded, Run, current_call
from retinue.runtime.steps.boundary import step_boundary
from retinue.runtime.steps.model_requests import diverged, settle_pending
from retinue.runtime.steps.transaction import ToolTransaction, current_transaction, refused

if TYPE_CHECKING:
    from retinue.approvals.models import Approval

TRANSACTION_TRIES = 4
UNCERTAIN = "uncertain"
Manner: TypeAlias = Literal["async", "sync", "direct"]
"""How a tool's function is called; "direct": a plain function whose return value is the call's result."""


@dataclass
class JournaledToolset(WrapperToolset[Any]):
    """The agent's tools, whatever toolset they come from, with a journal around each call."""

    frame: Frame

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        call = ToolCall.of(self.frame, name, tool_args, ctx, policy_of(tool.tool_def))
        if not ctx.tool_call_approved and last_question(self.frame, call.key) is not None:
            # What was asked about once takes the same way on every replay, recorded or not: the order of the
            # batch's results depends on it.
            raise ApprovalRequired
        recorded = self.frame.run.steps.get((self.frame.execution_id, call.key))
        if recorded is not None:
            if recorded.digest != call.digest:
                raise diverged(self.frame, call.key)
            payload = recorded.payload
        else:
            payload = await call.perform(
                lambda: self.wrapped.call_tool(name, tool_args, ctx, tool), how_called(self.wrapped, tool)
            )
        assert payload is not None
        result = load_result(payload)
        if isinstance(result, Failure):
            raise result.raised()
        return result


def how_called(toolset: AbstractToolset[Any], tool: ToolsetTool[Any]) -> Manner:
    """How the toolset calls the tool, seen through the wrappers that hand a result on as it is."""
    while True:
        if isinstance(tool, _CombinedToolsetTool) and type(toolset) is CombinedToolset:
            toolset, tool = tool.source_toolset, tool.source_tool
        elif type(toolset) is PreparedToolset:
            toolset = toolset.wrapped
        else:
            break
    if not isinstance(tool, FunctionToolsetTool) or tool.is_async:
        return "async"
    return "direct" if type(toolset).call_tool is FunctionToolset.call_tool else "sync"


@dataclass(kw_only=True)
class ToolCall:
    """One call of a tool, at its place in the run."""

    frame: Frame
    name: str
    arguments: dict[str, Any]
    ctx: RunContext[Any]
    policy: ToolPolicy
    key: str
    digest: bytes

    @classmethod
    def of(
        cls, frame: Frame, name: str, arguments: dict[str, Any], ctx: RunContext[Any], policy: ToolPolicy
    ) -> ToolCall:
        key = call_place(name, ctx.run_step, ctx.tool_call_id, ctx.retry)
        return cls(
            frame=frame,
            name=name,
            arguments=arguments,
            ctx=ctx,
            policy=policy,
            key=key,
            digest=call_digest(name, arguments),
        )

    @property
    def run(self) -> Run:
        return self.frame.run

    async def perform(self, body: Callable[[], Awaitable[Any]], manner: Manner) -> bytes:
        """Call the tool for real; give the payload that was recorded."""
        await settle_pending(self.frame)
        if not self.ctx.tool_call_approved and await self._wants_approval():
            raise ApprovalRequired
        self.run.acted |= self.policy.effects in ("database", "external")
        started, started_at = time.monotonic(), timezone.now()

        def row(payload: bytes) -> StepRow:
            return StepRow(
                execution_id=self.frame.execution_id,
                key=self.key,
                kind=StepKind.TOOL,
                name=self.name,
                digest=self.digest,
                payload=redact(StepKind.TOOL, payload),
                started_at=started_at,
                duration=time.monotonic() - started,
            )

        tokens = current_call.set(Call(self.key, self.name, self.policy.effects)), set_call_key(self.key)
        try:
            match self.policy.effects:
                case "database":
                    async with step_boundary(self.run):
                        return await self._transactional(body, manner, row)
                case "external":
                    return await self._external(body, row)
                case "delegate":
                    return await self._plain(body, row)
                case _:
                    async with step_boundary(self.run):
                        return await self._plain(body, row)
        finally:
            current_call.reset(tokens[0])
            reset_call_key(tokens[1])

    async def _wants_approval(self) -> bool:
        rule = self.policy.approval
        if not callable(rule):
            return bool(rule)
        if inspect.iscoroutinefunction(rule):
            return bool(await rule(self.ctx, **self.arguments))
        ask = partial(rule, self.ctx, **self.arguments)
        loop = asyncio.get_running_loop()
        return bool(await loop.run_in_executor(self.run.bridge.executor, copy_context().run, ask))

    # --- no effects, delegation

    async def _plain(self, body: Callable[[], Awaitable[Any]], row: Callable[[bytes], StepRow]) -> bytes:
        if not await self._permitted():
            return await self._write(row, refusal(self.name))
        return await self._write(row, await self._outcome(body))

    async def _permitted(self) -> bool:
        if self.policy.permission is None:
            return True
        self.run.grants_fresh = False
        return (await fresh_grants(self.run)).allows(self.policy.permission)

    async def _outcome(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """What the body gives, or says to the model."""
        try:
            result = await body()
        except ModelRetry as error:
            result = Failure(RETRY, error.message)
        except ToolFailed as error:
            result = Failure(FAILED, error.message)
        self._raise_if_parked()
        return result

    def _raise_if_parked(self) -> None:
        """A body that swallowed its child's wait does not end here, either."""
        mine = f"{self.frame.path}/{self.key}/"
        if any(path.startswith(mine) for path in self.run.parked_paths):
            raise Parked

    async def _write(self, row: Callable[[bytes], StepRow], result: Any) -> bytes:
        payload = dump_result(result, self.name)
        await self.run.bridge.journal.write(WriteStep(run=self.run, row=row(payload)))
        return payload

    # --- external effects

    async def _external(self, body: Callable[[], Awaitable[Any]], row: Callable[[bytes], StepRow]) -> bytes:
        marks = count_marks(self.run, self.frame, self.key)
        if marks and self.policy.on_uncertain == "fail":
            async with step_boundary(self.run):
                return await self._write(row, interrupted(self.name))
        if marks and self.policy.on_uncertain == "ask" and not self.ctx.tool_call_approved:
            raise ApprovalRequired({UNCERTAIN: True})
        async with step_boundary(self.run):
            if not await self._permitted():
                return await self._write(row, refusal(self.name))
            mark = row(b"{}")
            mark.key, mark.kind = mark_key(self.key, marks), StepKind.STARTED
            await self.run.bridge.journal.write(WriteStep(run=self.run, row=mark))
            points.reach(points.AFTER_STARTED_MARK)
            self.run.steps[self.frame.execution_id, mark.key] = Recorded(self.digest, b"{}")
            return await self._write(row, await self._outcome(body))

    # --- effects in the database

    async def _transactional(
        self, body: Callable[[], Awaitable[Any]], manner: Manner, row: Callable[[bytes], StepRow]
    ) -> bytes:
        def finish(result: Any) -> tuple[bytes, StepRow]:
            payload = dump_result(result, self.name)
            return payload, row(payload)

        for attempt in range(TRANSACTION_TRIES):
            lane = await self.run.bridge.tools.acquire()
            own = finish if manner == "direct" else None
            transaction = ToolTransaction(self.run, lane, self.policy, self.name, own)
            try:
                result = await self._in_transaction(transaction, body, manner, row)
            except Exception as error:  # of the drivers, whose errors differ; what is not theirs goes on
                lost = is_away(error)
                if not (lost or is_transient(error)) or transaction.timed_out or attempt + 1 == TRANSACTION_TRIES:
                    raise
                await asyncio.sleep(0.02 * 2**attempt)
                if lost and (payload := await self._committed()) is not None:
                    return payload
                continue
            if isinstance(result, bytes):
                return result
            return await self._write(row, result)
        raise AssertionError("unreachable")

    async def _committed(self) -> bytes | None:
        """What was committed, where the connection was lost and with it the answer. Waits for the database."""
        place = self.frame.execution_id, self.key
        payload: bytes | None = await self.run.bridge.journal.write(FindStep(place=place))
        return payload

    async def _in_transaction(
        self,
        transaction: ToolTransaction,
        body: Callable[[], Awaitable[Any]],
        manner: Manner,
        row: Callable[[bytes], StepRow],
    ) -> bytes | Failure:
        """One try: the committed payload, or what the body said to the model once its writes are undone."""
        token = current_transaction.set(transaction)
        self.run.transactions.add(transaction)
        try:
            result = await self._body(transaction, body, manner)
            if isinstance(result, Failure) and await transaction.settle() is None:
                await transaction.undo()
                return result
            if transaction.payload is not None:
                transaction.release()
                return transaction.payload
            payload = dump_result(result, self.name)
            await transaction.submit(transaction.commit, [row(payload)])
            transaction.release()
            return payload
        except BaseException:  # cancelled, too: nothing of it may stay open
            transaction.abandon()
            raise
        finally:
            current_transaction.reset(token)
            self.run.transactions.discard(transaction)

    async def _body(self, transaction: ToolTransaction, body: Callable[[], Awaitable[Any]], manner: Manner) -> Any:
        try:
            if manner != "async":
                return await transaction.within(body())
            async with ThreadSensitiveContext(executor=transaction.lane):
                await transaction.submit(transaction.begin)
                return await transaction.within(body())
        except ModelRetry as error:
            return Failure(RETRY, error.message)
        except ToolFailed as error:
            return Failure(FAILED, error.message)
        except Exception:  # an interrupted statement fails in a way of its driver
            if transaction.timed_out:
                return Failure(FAILED, transaction.timeout_message())
            raise


def count_marks(run: Run, frame: Frame, key: str) -> int:
    """How many times this external call was started before."""
    number = 0
    while (frame.execution_id, mark_key(key, number)) in run.steps:
        number += 1
    return number


def last_question(frame: Frame, key: str, before: int | None = None) -> Approval | None:
    """The latest approval that was asked for about this call (before the start with this number)."""
    approvals = frame.run.approvals
    if not approvals:
        return None
    end = count_marks(frame.run, frame, key) + 1 if before is None else before
    keys = ((frame.execution_id, question_key(key, number)) for number in reversed(range(end)))
    return next((approvals[place] for place in keys if place in approvals), None)


def refusal(tool_name: str) -> Failure:
    return Failure(FAILED, refused(tool_name).message)


def interrupted(tool_name: str) -> Failure:
    return Failure(FAILED, f"The call of {tool_name} was interrupted; whether it took effect is not known.")


def want(run: Run, permissions: Iterable[str | None]) -> None:
    """Have these permissions looked up, too."""
    more = tuple(sorted({name for name in permissions if name and ":" not in name} - set(run.wanted)))
    if more:
        run.wanted, run.grants_fresh = run.wanted + more, False


async def fresh_grants(run: Run) -> Grants:
    """The principal's rights, loaded anew unless nothing happened since they were."""
    if not run.grants_fresh:
        run.grants = await run.bridge.journal.write(LoadGrants(principal=run.principal, wanted=run.wanted))
        run.grants_fresh = True
    return run.grants
