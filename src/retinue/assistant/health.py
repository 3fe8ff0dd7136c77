"""Whether the site answers, as far as is known without asking anybody for it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.utils import timezone
from pydantic_ai.models import Model

from retinue.agents.registry import get_agent
from retinue.conf import get_settings
from retinue.errors import ConfigurationError, UnknownAgent
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.providers.bounds import candidates
from retinue.providers.resolve import resolve_model
from retinue.workers.status import alive_workers, is_late, look_at_queue

logger = logging.getLogger("retinue.health")

HEALTHY, DEGRADED = "healthy", "degraded"
KEY = "retinue:prsm"
FRESH = timedelta(seconds=30)
"""How long what PRSM said of itself is not asked for again."""
PING_SECONDS = 3.0
AWAY = ("model_error", "models_failed")
"""What a run fails with where PRSM does not answer."""


def look() -> dict[str, Any]:
    """How everything is, from the last known state."""
    queue, workers, prsm, is_there = None, None, None, True
    try:
        queue, workers = look_at_queue(), alive_workers()
        prsm = prsm_connected()
    except (DatabaseError, InterfaceError):
        is_there = False
    is_well = is_there and prsm is not False and queue is not None and not is_late(queue, workers or [])
    return {
        "status": HEALTHY if is_well else DEGRADED,
        "prsm_connected": prsm,
        "database": {"reachable": is_there},
        "queue": queue,
        "workers": workers,
    }


def prsm_connected() -> bool | None:
    """Whether PRSM answered when it was last asked; None where it is not in use, or was never asked."""
    try:
        if not uses_prsm():
            return None
    except ConfigurationError:
        return False
    known = _remembered()
    ended = AgentExecution.objects.using(get_settings().database).roots().filter(agent_name=get_settings().assistant)
    telling = Q(status=Status.COMPLETED, from_cache=False) | Q(status=Status.FAILED, error_code__in=AWAY)
    last = ended.filter(telling).order_by("-created_at").values("status", "completed_at").first()
    if last is None or (known is not None and known["at"] > last["completed_at"]):
        return None if known is None else bool(known["connected"])
    return bool(last["status"] == Status.COMPLETED)


def uses_prsm() -> bool:
    """Whether PRSM answers for the assistant. Raises ConfigurationError where it should, but is not set up."""
    try:
        agent = get_agent(get_settings().assistant)
    except UnknownAgent:
        return False
    try:
        model: Any = agent.choose_model(None, resolve_model) or agent.model
    except ConfigurationError:
        if agent.model_name.startswith("prsm:"):
            raise
        return False
    return isinstance(model, Model) and any(candidate.system == "prsm" for candidate in candidates(model))


async def ask_prsm() -> None:
    """Renew what is known of PRSM, where it is in use and nobody did lately."""
    known = await sync_to_async(_remembered)()
    if known is not None and timezone.now() - known["at"] < FRESH:
        return
    try:
        if not await sync_to_async(uses_prsm)():
            return
    except ConfigurationError:
        return
    from retinue.providers.prsm import PRSMClient

    connected = False
    with suppress(TimeoutError):
        async with asyncio.timeout(PING_SECONDS), PRSMClient(max_retries=0) as client:
            connected = await client.ping()
    await sync_to_async(_remember)(connected)


def _remembered() -> dict[str, Any] | None:
    try:
        known: dict[str, Any] | None = caches[get_settings().cache].get(KEY)
    except Exception:  # each cache's driver has errors of its own
        logger.warning("The cache cannot be read", exc_info=True)
        return None
    return known


def _remember(connected: bool) -> None:
    try:
        caches[get_settings().cache].set(KEY, {"connected": connected, "at": timezone.now()}, None)
    except Exception:  # each cache's driver has errors of its own
        logger.warning("The cache cannot be written", exc_info=True)
