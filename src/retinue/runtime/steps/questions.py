"""Calls that wait for a person: ask, park, and go on with what was decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from pydantic_ai import RunContext
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_core import to_json

from retinue.agents.policy import DefaultTTL, ToolPolicy, policy_of
from retinue.approvals.models import Approval
from retinue.conf import get_settings
from retinue.errors import ReplayDiverged
from retinue.executions.places import call_place, question_key
from retinue.runtime.journal.lookups import Expire
from retinue.runtime.journal.payload import call_digest
from retinue.runtime.run import Frame, Parked
from retinue.runtime.steps.tool_calls import UNCERTAIN, count_marks, last_question


async def answer_or_park(
    frame: Frame, ctx: RunContext[Any], requests: DeferredToolRequests
) -> DeferredToolResults | None:
    """Runs after the whole batch of calls, when some of them wait.

    All decided: the run goes on. Otherwise it parks; what the others of the batch gave is journaled.
    """
    questions = {call.tool_call_id: _question(frame, ctx, call, requests) for call in requests.approvals}
    decided = {call_id: await _current(frame, question) for call_id, question in questions.items()}
    parked = [call for call in requests.calls if Parked.MARK in requests.metadata.get(call.tool_call_id, {})]
    undecided = [questions[call_id] for call_id, approval in decided.items() if approval is None]
    if parked or undecided:
        _park(frame, undecided)
    if not decided:
        return None
    return requests.build_results(
        approvals={call_id: _verdict(approval) for call_id, approval in decided.items() if approval is not None}
    )


def _park(frame: Frame, undecided: list[Approval]) -> None:
    run = frame.run
    run.questions.extend(undecided)
    run.parked_paths.append(f"{frame.path}/")
    times = [approval.expires_at for approval in undecided if approval.expires_at is not None]
    if times:
        run.wake_at = min(times if run.wake_at is None else [run.wake_at, *times])
    raise Parked


def _question(frame: Frame, ctx: RunContext[Any], call: ToolCallPart, requests: DeferredToolRequests) -> Approval:
    """What is to be asked about a call, at its place; every start that a crash cut off asks anew."""
    policy = _policy(ctx, call.tool_name)
    place = call_place(call.tool_name, ctx.run_step, call.tool_call_id, ctx.retries.get(call.tool_name, 0))
    last = last_question(frame, place)
    if last is not None and (frame.execution_id, place) in frame.run.steps:
        return last  # it led to the recorded result
    marks = count_marks(frame.run, frame, place) if policy.on_uncertain == "ask" else 0
    uncertain = marks > 0 or UNCERTAIN in requests.metadata.get(call.tool_call_id, {})
    ttl = get_settings().approval_ttl if isinstance(policy.approval_ttl, DefaultTTL) else policy.approval_ttl
    now = timezone.now()
    # Where a person changed the arguments, it is that call which may have happened.
    earlier = last_question(frame, place, before=marks)
    arguments = call.args_as_dict() if earlier is None else _agreed(earlier)
    return Approval(
        execution_id=frame.execution_id,
        key=question_key(place, marks),
        tool_name=call.tool_name,
        reason=Approval.Reason.UNCERTAIN if uncertain else Approval.Reason.REQUIRED,
        arguments_json=to_json(arguments),
        digest=call_digest(call.tool_name, arguments),
        created_at=now,
        expires_at=None if ttl is None else now + timedelta(seconds=ttl),
    )


def _policy(ctx: RunContext[Any], tool_name: str) -> ToolPolicy:
    manager = ctx.tool_manager
    tool_def = manager.get_tool_def(tool_name) if manager is not None else None
    return ToolPolicy() if tool_def is None else policy_of(tool_def)


async def _current(frame: Frame, question: Approval) -> Approval | None:
    """The decision about this very call, or None while there is none."""
    run = frame.run
    approval = run.approvals.get((frame.execution_id, question.key))
    if approval is None:
        return None
    if bytes(approval.digest) != bytes(question.digest):
        raise ReplayDiverged(
            f"The approval {approval.id} was asked for other arguments of {question.tool_name!r} than the call has now."
        )
    if approval.status == Approval.Status.PENDING:
        if approval.expires_at is None or approval.expires_at > timezone.now():
            question.expires_at = approval.expires_at
            return None
        approval = await run.bridge.journal.write(Expire(run=run, approval=approval))
        run.approvals[frame.execution_id, question.key] = approval
    return approval


def _verdict(approval: Approval) -> ToolApproved | ToolDenied:
    match approval.status:
        case Approval.Status.APPROVED:
            return ToolApproved(override_args=_agreed(approval))
        case Approval.Status.EXPIRED:
            return ToolDenied("The approval was not given in time.")
        case _:
            return ToolDenied(approval.note or "The call was denied.")


def _agreed(approval: Approval) -> dict[str, Any]:
    """The arguments that were agreed to."""
    changed = approval.changed_arguments
    return approval.arguments if changed is None else changed
