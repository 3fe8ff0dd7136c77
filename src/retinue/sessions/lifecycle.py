"""What is done to a session as a whole."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic_core import to_jsonable_python

from retinue.agents.deps import to_user_id
from retinue.agents.registry import get_agent
from retinue.conf import get_settings
from retinue.errors import InvalidInput, UnknownSession
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution
from retinue.executions.states import OPEN
from retinue.sessions.models import TITLE_LENGTH, AISession, Policy
from retinue.types import Principal


def start_session(
    principal: Principal, agent_name: str, *, context: dict[str, Any] | None = None, policy: str = Policy.ENQUEUE
) -> AISession:
    """A new conversation. `context`: JSON values that reach the agent as `deps.context`.

    `policy`: what becomes of a message that is sent while another is being answered: "enqueue", "reject" or
    "interrupt". Raises UnknownAgent and InvalidInput.
    """
    get_agent(agent_name)
    check_policy(policy)
    return AISession.objects.using(get_settings().database).create(
        user_id=to_user_id(principal.key) if principal.is_user else None,
        principal_type=principal.type,
        principal_key=principal.key,
        agent_name=agent_name,
        context=_json_object(context or {}),
        policy=policy,
    )


def find_session(session_id: UUID | str, principal: Principal) -> AISession:
    """The session of that id, if it is this principal's; closed ones, too. Raises UnknownSession."""
    try:
        key = session_id if isinstance(session_id, UUID) else UUID(session_id)
    except ValueError:
        raise UnknownSession from None
    found = AISession.objects.using(get_settings().database).of(principal).filter(pk=key).first()
    if found is None:
        raise UnknownSession
    return found


def rename(session: AISession, title: str) -> None:
    """Give it another title. Raises UnknownSession, and InvalidInput where the title is empty or too long."""
    cleaned = " ".join(title.replace("\x00", "").split())
    if not cleaned:
        raise InvalidInput(_("The title is empty."))
    if len(cleaned) > TITLE_LENGTH:
        raise InvalidInput(
            _("The title has %(length)s characters; at most %(most)s are allowed.")
            % {"length": len(cleaned), "most": TITLE_LENGTH}
        )
    if not AISession.objects.using(get_settings().database).filter(pk=session.pk).update(title=cleaned):
        raise UnknownSession  # it was deleted meanwhile
    session.title = cleaned


def delete(session: AISession) -> None:
    """Delete the conversation; what still runs of it is cancelled. Its executions stay on record, by themselves."""
    alias = get_settings().database
    with transaction.atomic(using=alias):
        # Nobody sends another message meanwhile: see turns.admit().
        AISession.objects.using(alias).filter(pk=session.pk).update(is_active=False)
        for execution in AgentExecution.objects.using(alias).filter(session=session.pk).roots().open():
            cancel(execution)
        AISession.objects.using(alias).filter(pk=session.pk).delete()


def deactivate_idle(alias: str) -> int:
    """Close the sessions that had no message and no answer for `SESSION_IDLE_DAYS`, and none to come; give how many.

    Nothing of them is lost: they can be read, exported and rated, but take no more messages.
    """
    before = timezone.now() - timedelta(days=get_settings().session_idle_days)
    messages = AgentExecution.objects.filter(session=OuterRef("pk"), parent=None)
    # An answer may have waited long for a person.
    answered = messages.filter(Q(completed_at__gte=before) | Q(status__in=OPEN))
    idle = AISession.objects.using(alias).active().filter(updated_at__lt=before)
    # Most of the time there is none: to look first spares others the lock.
    return idle.filter(~Exists(answered)).update(is_active=False) if idle.exists() else 0


def check_policy(policy: str) -> None:
    if policy not in Policy.values:
        raise InvalidInput(
            _("There is no policy %(policy)r; there are: %(policies)s.")
            % {"policy": policy, "policies": ", ".join(Policy.values)}
        )


def _json_object(context: Any) -> dict[str, Any]:
    try:
        stored = to_jsonable_python(context)
        json.dumps(stored, allow_nan=False, ensure_ascii=False).encode()  # no database takes more
    except ValueError as error:
        raise InvalidInput(_("The context of a session is an object of JSON values.")) from error
    if not isinstance(stored, dict):
        raise InvalidInput(_("The context of a session is an object of JSON values."))
    return stored
