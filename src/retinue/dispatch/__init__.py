"""How queued work reaches workers, and the worker inside a server process."""

from __future__ import annotations

from typing import Any

from django.core import mail
from django.core.signals import request_started

from retinue.conf import get_settings


def start_embedded_worker() -> None:
    """Start the worker of this server process, where settings ask for one. Safe to call again."""
    if get_settings().embeds_worker and get_settings().dispatcher == "worker" and not hasattr(mail, "outbox"):
        from retinue.dispatch.worker import embedded

        embedded.start()


def start_with_server() -> None:
    """Start it with the first request that the process serves: management commands serve none."""
    request_started.connect(_on_request, dispatch_uid="retinue_embedded_worker")


def _on_request(sender: Any, **kwargs: Any) -> None:
    request_started.disconnect(dispatch_uid="retinue_embedded_worker")
    start_embedded_worker()
