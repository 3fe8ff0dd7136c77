"""In which order a conversation's rows are locked where somebody deletes it, or the user whose it is."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models.signals import pre_delete

from retinue.sessions.models import AISession


def connect() -> None:
    pre_delete.connect(_hold, sender=AISession, dispatch_uid="retinue.sessions.hold")


def _hold(instance: AISession, using: str, **kwargs: Any) -> None:
    """Take the session before its executions, as whoever sends a message does: neither waits for the other in vain.

    Django lets go of the executions first, then deletes the session.
    """
    if connections[using].features.has_select_for_update:
        AISession.objects.using(using).select_for_update().filter(pk=instance.pk).first()
