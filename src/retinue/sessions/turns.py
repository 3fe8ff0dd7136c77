"""A message enters a session: one at a time, whoever else sends one."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from retinue.errors import InvalidInput, SessionBusy, SessionClosed, UnknownSession
from retinue.executions.lifecycle import cancel
from retinue.executions.models import AgentExecution
from retinue.sessions.lifecycle import check_policy
from retinue.sessions.models import AISession, Policy

TITLE_CHARS = 60
"""About how long a title is that is made from the first prompt."""


def admit(
    alias: str,
    session_id: UUID,
    execution: AgentExecution,
    *,
    replaces: AgentExecution | None = None,
    policy: str | None = None,
) -> None:
    """Let a new execution into a session, in the transaction that is to insert it.

    Until that ends nobody else is let in. `replaces`: the session's last message, of which this one is an edited
    version or another answer. `policy`: in place of the session's own. Executions of a session are in the order of
    their `created_at`, which is set here. Raises UnknownSession, SessionClosed, SessionBusy and InvalidInput.
    """
    now = timezone.now()
    # The update takes the row's lock, on every database.
    if not AISession.objects.using(alias).filter(pk=session_id).update(updated_at=now):
        raise UnknownSession
    session = AISession.objects.using(alias).get(pk=session_id)
    _check(session, execution)
    turns = AgentExecution.objects.using(alias).filter(session=session_id).roots()
    if replaces is not None:
        _replace(turns.filter(replaced_by=None).order_by("created_at", "id").last(), replaces)
    policy = policy or session.policy
    check_policy(policy)
    if policy == Policy.REJECT and turns.open().exists():
        raise SessionBusy
    if policy == Policy.INTERRUPT:
        for earlier in turns.open().order_by("created_at", "id"):
            cancel(earlier)
    if not session.title:
        AISession.objects.using(alias).filter(pk=session_id).update(title=title_of(execution.input_prompt))
    latest = turns.aggregate(latest=Max("created_at"))["latest"]
    # The clocks of machines differ: who comes later is later.
    execution.created_at = now if latest is None else max(now, latest + timedelta(microseconds=1))
    execution.session_id = session_id
    execution.replaces = replaces


def _check(session: AISession, execution: AgentExecution) -> None:
    if not session.is_active:
        raise SessionClosed
    if session.principal != execution.principal:
        raise InvalidInput(_("The run acts for somebody else than the one whose session this is."))
    if session.agent_name != execution.agent_name:
        raise InvalidInput(
            _("The session is with the agent %(agent)r, not with %(other)r.")
            % {"agent": session.agent_name, "other": execution.agent_name}
        )


def _replace(last: AgentExecution | None, replaces: AgentExecution) -> None:
    """Make way for a replacement: what is replaced is the last message, and stops."""
    if last is None or last.pk != replaces.pk:
        raise InvalidInput(_("Only the last message of the session can be edited or answered anew."))
    if not last.is_final:
        cancel(last)


def title_of(prompt: str) -> str:
    """The beginning of a prompt, cut after a word."""
    text = " ".join(prompt.split())
    if len(text) <= TITLE_CHARS:
        return text
    words = text[: TITLE_CHARS + 1].rpartition(" ")[0]
    return f"{words or text[:TITLE_CHARS]}…"
