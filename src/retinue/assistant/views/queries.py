"""A question and its answer in one request, as JSON."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, JsonResponse

from retinue.assistant.asking import conversation
from retinue.assistant.forms import MessageForm, checked
from retinue.assistant.views.base import given, view
from retinue.budgets.units import Unit
from retinue.errors import BudgetExceeded, ExecutionError, ExecutionWaiting, RetinueError
from retinue.executions.models import AgentExecution
from retinue.http.errors import error_response
from retinue.http.threads import give_back_thread
from retinue.runtime.agent import DjangoAgent
from retinue.sessions.lifecycle import delete, start_session
from retinue.sessions.models import AISession
from retinue.types import Principal


@view("POST", only_json=True, key="error")
async def query_sync(request: HttpRequest, principal: Principal) -> JsonResponse:
    """The same question of the same user gets the same answer for a while, for nothing."""
    return await _query(request, principal, cache=True)


@view("POST", only_json=True, key="error")
async def query_async(request: HttpRequest, principal: Principal) -> JsonResponse:
    """Every question is asked."""
    return await _query(request, principal, cache=False)


async def _query(request: HttpRequest, principal: Principal, *, cache: bool) -> JsonResponse:
    form = MessageForm(given(request))
    agent, session, is_new = await sync_to_async(_prepared)(principal, form)
    await give_back_thread()
    try:
        result = await agent.run(
            form.cleaned_data["prompt"],
            principal=principal,
            session=session,
            max_credits=form.max_credits,
            cache=cache,
        )
    except (ExecutionError, BudgetExceeded) as error:
        if error.execution is None:
            await _forget(session, is_new)
            raise
        if isinstance(error, ExecutionWaiting):
            return JsonResponse(_answer(error.execution, None), status=202)
        return _failure(error, error.execution)
    except RetinueError:
        await _forget(session, is_new)
        raise
    return JsonResponse(_answer(result.execution, result.execution.answer))


def _prepared(principal: Principal, form: MessageForm) -> tuple[DjangoAgent[Any, Any], AISession | None, bool]:
    """Who answers, in which session, and whether that is a new one."""
    asked = checked(form)
    agent, session = conversation(principal, asked["session_id"])
    if session is None and asked["use_session"]:
        return agent, start_session(principal, agent.name), True
    return agent, session, False


async def _forget(session: AISession | None, is_new: bool) -> None:
    """A session whose first message was refused is none."""
    if session is not None and is_new:
        await sync_to_async(delete)(session)


def _answer(execution: AgentExecution, answer: str | None) -> dict[str, Any]:
    return {
        "query_id": str(execution.pk),
        "answer": answer,
        "cost": None if execution.charge is None else float(execution.charge),
        "unit": Unit.CREDITS.shown,
        "processing_time": execution.execution_time,
        "quality_score": execution.quality_score,
        "status": execution.status,
        "from_cache": execution.from_cache,
        "session_id": None if execution.session_id is None else str(execution.session_id),
    }


def _failure(error: Exception, execution: AgentExecution) -> JsonResponse:
    """What went wrong, and with which query."""
    response = error_response(error, "error")
    response.content = json.dumps({**json.loads(response.content), "query_id": str(execution.pk)})
    return response
