"""The way to Django's cache: a few threads at most, little patience, and no run that fails for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.core.cache import caches
from django.db.models import Q
from django.utils import timezone

from retinue.conf import get_settings
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.runtime.loop.bridge import Bridge

logger = logging.getLogger("retinue.runs")

PATIENCE = 2.0
"""Seconds that a run waits for the cache."""
AWAY_SECONDS = 30.0
"""How long a cache that did not answer is left alone."""
CALLS = 4
"""How many of the bridge's threads may wait for the cache."""
HANDOVER_SECONDS = 5.0
"""How long a run that has completed may take to say what it answered."""
TRIES = 100


class CacheAway(Exception):
    """The cache cannot be used now."""


class CacheLine:
    """The cache as the runs of one bridge reach it. Belongs to the engine's loop."""

    def __init__(self) -> None:
        self.asked: dict[str, asyncio.Future[Any]] = {}
        """What is being asked in this process, by key."""
        self._slots = asyncio.Semaphore(CALLS)
        self._away_until = 0.0
        self._is_away = False

    async def call(self, bridge: Bridge, fn: Callable[..., Any], *args: Any) -> Any:
        """Call a function with the cache. Raises CacheAway, and says so in the log once."""
        if time.monotonic() < self._away_until:
            raise CacheAway
        try:
            async with asyncio.timeout(PATIENCE):
                await self._slots.acquire()
                # A call that hangs keeps its thread, and so its slot.
                call = asyncio.ensure_future(bridge.call(fn, *args))
                call.add_done_callback(self._ended)
                result = await asyncio.shield(call)
        except Exception as error:  # whatever a cache's client may raise
            if not self._is_away:
                what = f"{type(error).__name__}: {error}".removesuffix(": ")
                logger.warning("The cache %r is away (%s): runs go on without.", get_settings().cache, what)
            self._is_away, self._away_until = True, time.monotonic() + AWAY_SECONDS
            raise CacheAway from error
        if self._is_away:
            self._is_away = False
            logger.warning("The cache %r is back.", get_settings().cache)
        return result

    def _ended(self, call: asyncio.Future[Any]) -> None:
        self._slots.release()
        if not call.cancelled():
            call.exception()  # nobody may be left to ask for it


_lines: WeakKeyDictionary[Bridge, CacheLine] = WeakKeyDictionary()


def line_of(bridge: Bridge) -> CacheLine:
    """The bridge's way to the cache."""
    if bridge not in _lines:
        _lines[bridge] = CacheLine()
    return _lines[bridge]


# What follows runs on the bridge's threads.


def enter(key: str, owner: str, seconds: float, alias: str) -> tuple[Any, str]:
    """What is known, or the place where it is written now that the owner asks; neither: another one asks.

    After a run that died, the next one takes a place that is named after it: so nobody has to take a place away,
    and only one can be the next.
    """
    cache = caches[get_settings().cache]
    if (found := cache.get(key)) is not None:
        return found, ""
    place = f"{key}:asked"
    for _ in range(TRIES):
        if cache.add(place, owner, seconds):
            break
        other = cache.get(place)
        if other == owner:
            break
        if other is not None:
            if is_at_it(other, alias):
                return None, ""
            place = f"{key}:{other}"
    else:
        raise CacheAway("it keeps nothing")
    if (found := cache.get(key)) is not None:  # its owner came to an end in between
        cache.delete(place)
        return found, ""
    return None, place


def leave(key: str, place: str, owner: str, kept: Any, seconds: float) -> None:
    """Write down what is known now, then give up the place if it is still the owner's."""
    cache = caches[get_settings().cache]
    if kept is not None:
        cache.set(key, kept, seconds)
    if place and cache.get(place) == owner:
        cache.delete(place)


def is_at_it(owner: str, alias: str) -> bool:
    """Whether the run that has this place goes on, or has just completed."""
    now = timezone.now()
    goes_on = Q(status=Status.RUNNING, lease_expires__gt=now)
    completed = Q(status=Status.COMPLETED, completed_at__gt=now - timedelta(seconds=HANDOVER_SECONDS))
    execution_id, token = UUID(owner[:32]), UUID(owner[32:])
    return AgentExecution.objects.using(alias).filter(goes_on | completed, pk=execution_id, lease_token=token).exists()
