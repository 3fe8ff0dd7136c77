"""What people think of answers."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from retinue.conf import get_settings
from retinue.errors import AgentPermissionDenied, IllegalTransition, InvalidInput
from retinue.executions.models import AgentExecution
from retinue.executions.states import Rating
from retinue.types import Principal

PERMISSION = "retinue.change_agentexecution"
NOTE_LENGTH = AgentExecution._meta.get_field("rating_note").max_length or 0


def rate(execution: AgentExecution, rating: int | None, note: str = "", *, by: Any) -> None:
    """Say whether an answer helped: 1 or -1, with a note; None takes it back.

    `by`: a user or a Principal: the one for whom the run acted, or a holder of `retinue.change_agentexecution`.
    Raises AgentPermissionDenied, InvalidInput, and IllegalTransition while there is no answer yet, or none any more.
    """
    if not may_rate(execution, by):
        raise AgentPermissionDenied(_("Only who asked may rate the answer."))
    if rating is not None and rating not in Rating.values:
        raise InvalidInput(_("A rating is 1 or -1."))
    if not execution.is_final:
        raise IllegalTransition(_("There is no answer yet that could be rated."))
    cleaned = note.replace("\x00", "").strip() if rating is not None else ""
    if len(cleaned) > NOTE_LENGTH:
        raise InvalidInput(_("The note is too long: at most %(most)s characters.") % {"most": NOTE_LENGTH})
    rows = AgentExecution.objects.using(get_settings().database).filter(pk=execution.pk)
    if not rows.update(rating=rating, rating_note=cleaned):
        raise IllegalTransition(_("The answer is not on record any more."))
    execution.rating, execution.rating_note = rating, cleaned


def may_rate(execution: AgentExecution, by: Any) -> bool:
    """Whether this user, or Principal, may rate the answer."""
    if isinstance(by, Principal):
        return execution.principal == by
    if not (by.is_authenticated and by.is_active):
        return False
    return execution.principal == Principal.of(by) or by.has_perm(PERMISSION)
