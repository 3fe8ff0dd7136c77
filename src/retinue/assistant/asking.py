"""From what somebody sent to a run: which agent, in which session, once."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from retinue.agents.deps import DjangoDeps, load_deps
from retinue.agents.policy import PUBLIC
from retinue.agents.registry import get_agent
from retinue.assistant.forms import AskForm
from retinue.conf import get_settings
from retinue.errors import AgentPermissionDenied, IllegalTransition, InvalidInput, UnknownAgent
from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import delete, find_session, start_session
from retinue.sessions.models import AISession
from retinue.types import Principal

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent


def agent_for(principal: Principal, name: str = "") -> DjangoAgent[Any, Any]:
    """The agent that is asked: the site's assistant, where none is named.

    Whether a user may run it is found when it runs; guests may ask those in `GUEST_AGENTS`. Raises UnknownAgent and
    AgentPermissionDenied.
    """
    name = name or get_settings().assistant
    try:
        agent = get_agent(name)
    except UnknownAgent:
        raise UnknownAgent from None  # its own words name the site's other agents
    if not principal.is_user and not is_for_guests(name):
        raise AgentPermissionDenied(_("You must log in to talk to this agent."))
    return agent


def is_for_guests(name: str) -> bool:
    """Whether people may talk to the agent who are not logged in."""
    return name in get_settings().guest_agents and get_agent(name).permission == PUBLIC


def conversation(
    principal: Principal, session_id: UUID | None, agent_name: str = ""
) -> tuple[DjangoAgent[Any, Any], AISession | None]:
    """The agent, and the session of that id. Raises UnknownSession, and InvalidInput where they do not fit."""
    if session_id is None:
        return agent_for(principal, agent_name), None
    session = find_session(session_id, principal)
    if agent_name and agent_name != session.agent_name:
        raise InvalidInput(_("This session is with another agent."))
    return agent_for(principal, session.agent_name), session


def send(principal: Principal, form: AskForm) -> AgentExecution:
    """Have a message answered by a worker, in its session or in a new one. Sent twice, it is one message."""
    asked = form.cleaned_data
    with transaction.atomic(using=get_settings().database):
        agent, session = conversation(principal, asked["session_id"], asked["agent"])
        fresh = session is None
        session = session or start_session(principal, agent.name)
        execution = agent.enqueue(
            asked["prompt"],
            principal=principal,
            session=session,
            stream=True,
            replaces=_replaced(principal, asked["replaces"]),
            policy=asked["policy"] or None,
            max_credits=form.max_credits,
            idempotency_key=_key(asked),
        )
        if fresh and execution.session_id != session.pk:
            delete(session)  # the message was there before
    return execution


def ask_again(principal: Principal, execution: AgentExecution, prompt: str | None = None) -> AgentExecution:
    """Have the last message of a session answered anew, or as it was edited. An answer on its way is stopped.

    The new run is given what the first was: deps, options, and its place in the queue. Raises InvalidInput where that
    cannot be.
    """
    if execution.session is None:
        raise IllegalTransition(_("This message is in no session, where it could be answered anew."))
    agent, given = agent_for(principal, execution.agent_name), execution.given
    if given.get("model_instance"):
        raise InvalidInput(_("A program answered this message with a model of its own: it cannot be asked again."))
    options = given.get("options", {})
    if prompt is None:
        options["cache"] = False  # or it might be the same answer
    return agent.enqueue(
        given["prompt"] if prompt is None else prompt,
        principal=principal,
        session=execution.session,
        stream=True,
        replaces=execution,
        deps=_deps(agent, given["deps"]),
        queue=execution.queue,
        priority=execution.priority,
        **options,
    )


def _deps(agent: DjangoAgent[Any, Any], stored: dict[str, Any]) -> DjangoDeps:
    try:
        return load_deps(agent.deps_type, stored)
    except (TypeError, ValueError) as error:  # their type has changed since
        raise InvalidInput(_("What this message was sent with does not fit the agent any more.")) from error


def _replaced(principal: Principal, execution_id: UUID | None) -> AgentExecution | None:
    if execution_id is None:
        return None
    found = AgentExecution.objects.using(get_settings().database).of(principal).filter(pk=execution_id).first()
    if found is None:
        raise InvalidInput(_("There is no such message."))
    return found


def _key(asked: dict[str, Any]) -> str | None:
    """The page's key for what was sent: the form may be changed and sent again."""
    if not asked["idempotency_key"]:
        return None
    said = f"{asked['prompt']}\0{asked['session_id']}\0{asked['replaces']}\0{asked['context_allocation']}"
    return f"{asked['idempotency_key']}:{blake2b(said.encode(), digest_size=12).hexdigest()}"
