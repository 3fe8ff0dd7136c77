"""An execution enters the queue: checked, admitted to its session, and written with the caller's transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from pydantic_ai.models import Model

from retinue.budgets.accounts import check as check_budgets
from retinue.conf import get_settings
from retinue.dispatcher import get_dispatcher
from retinue.errors import BudgetExceeded, IdempotencyConflict, RetinueError, UnknownSession
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.providers.prices import is_free
from retinue.providers.resolve import resolve_model
from retinue.runtime.grants import load_grants
from retinue.runtime.journal.creation import find_earlier, refusal
from retinue.runtime.submission import Submission
from retinue.sessions.models import AISession
from retinue.sessions.turns import admit


def joined(submitted: Submission) -> Submission:
    """With the session's context in the deps; what the caller gave goes before. Raises UnknownSession."""
    session = submitted.session
    if session is None:
        return submitted
    if not isinstance(session, AISession):
        session = AISession.objects.using(get_settings().database).filter(pk=session).first()
    if session is None:
        raise UnknownSession
    deps = replace(submitted.deps, context={**session.context, **submitted.deps.context})
    return replace(submitted, session=session, deps=deps)


def enter(submitted: Submission, execution: AgentExecution) -> AgentExecution:
    """Have it queued; gives the execution that was there where its idempotency key was used before.

    Raises AgentPermissionDenied, BudgetExceeded, IdempotencyConflict, and what `sessions.turns.admit` raises.
    """
    alias, agent = get_settings().database, submitted.agent
    grants = load_grants([(submitted.principal, agent.wanted)], alias)[submitted.principal]
    if not grants.may_run(agent.permission):
        raise refusal(grants, agent.name)
    if execution.idempotency_key is not None and (earlier := find_earlier(alias, execution)):
        return _or_raise(earlier)  # it was let in before: whether another one could be now does not matter
    try:
        check_budgets(submitted.principal)
    except BudgetExceeded:
        if not _runs_free(submitted):
            raise
    return _insert(submitted, execution, alias)


def _runs_free(submitted: Submission) -> bool:
    """Whether a run needs no money: its model costs nothing."""
    agent = submitted.agent
    model = submitted.model or agent.choose_model(submitted.options.get("model"), resolve_model) or agent.model
    return isinstance(model, Model) and is_free(model)


def _insert(submitted: Submission, execution: AgentExecution, alias: str) -> AgentExecution:
    """Write the row with the caller's transaction, once for each idempotency key."""
    try:
        with transaction.atomic(using=alias):
            if isinstance(submitted.session, AISession):
                admit(alias, submitted.session.pk, execution, replaces=submitted.replaces, policy=submitted.policy)
            execution.save(using=alias, force_insert=True)
    except (IntegrityError, RetinueError):  # the same message came in at the same time
        if execution.idempotency_key is None or not (earlier := find_earlier(alias, execution)):
            raise
        return _or_raise(earlier)
    dispatcher = get_dispatcher()
    transaction.on_commit(lambda: dispatcher.dispatch(execution.id, execution.queue), using=alias)
    return execution


def _or_raise(earlier: AgentExecution | IdempotencyConflict) -> AgentExecution:
    if isinstance(earlier, IdempotencyConflict):
        raise earlier
    return earlier


def reserve(execution: AgentExecution) -> None:
    """Keep other processes from what this one waits to run itself, with what lives only here.

    It is as if it were not due yet. Where this process dies, others may run it once that time has come.
    """
    execution.run_after = timezone.now() + timedelta(seconds=get_settings().lease_seconds)


def keep_reserved(alias: str, execution: AgentExecution) -> None:
    """See reserve(); for a process that still waits, to be called often."""
    seconds = get_settings().lease_seconds
    if execution.run_after is None or execution.run_after > timezone.now() + timedelta(seconds=seconds / 2):
        return
    reserve(execution)
    waiting = AgentExecution.objects.using(alias).filter(pk=execution.pk, status=Status.QUEUED, started_at=None)
    waiting.update(run_after=execution.run_after)


def give_way(alias: str, execution: AgentExecution) -> bool:
    """Leave it to whoever is there when its turn comes, if that is for a person to say: gives whether it is."""
    others = AgentExecution.objects.using(alias).filter(session=execution.session_id, parent=None)
    if not others.filter(status=Status.WAITING).exists():
        return False
    return bool(others.filter(pk=execution.pk, status=Status.QUEUED, started_at=None).update(run_after=None))
