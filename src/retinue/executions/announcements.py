"""Telling other processes that an execution has new events. Who hears nothing of it looks for himself, later."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from retinue.conf import get_settings

logger = logging.getLogger("retinue.events")

CHANNEL = "retinue_events"
"""PostgreSQL's and Redis's channel. What is said there is an execution's id."""
PAUSE = 2.0
"""How long a Redis server that did not answer is left alone."""

_away_until: dict[str, float] = {}


def redis_url() -> str | None:
    """The Redis server by way of which processes tell each other, where one is set."""
    given = get_settings().events
    return given if "://" in given else None


def uses_notify(alias: str) -> bool:
    """Whether PostgreSQL itself tells the others, with the commit."""
    return get_settings().events == "auto" and connections[alias].vendor == "postgresql"


def announce(alias: str, execution_ids: Iterable[UUID]) -> None:
    """Tell the others once the transaction is committed."""
    ids = list(dict.fromkeys(execution_ids))
    if not ids:
        return
    if uses_notify(alias):
        with connections[alias].cursor() as cursor:
            cursor.executemany("SELECT pg_notify(%s, %s)", [(CHANNEL, str(pk)) for pk in ids])
    elif url := redis_url():
        transaction.on_commit(lambda: _publish(url, ids), using=alias)


def _publish(url: str, ids: list[UUID]) -> None:
    import redis

    if time.monotonic() < _away_until.get(url, 0.0):
        return  # the journal does not wait for a server that is away
    try:
        with _client(url).pipeline(transaction=False) as pipeline:
            for pk in ids:
                pipeline.publish(CHANNEL, str(pk))
            pipeline.execute()
    except redis.RedisError as error:
        _away_until[url] = time.monotonic() + PAUSE
        logger.warning(
            "Redis was not told of new events (%s): watchers find them a little later.", type(error).__name__
        )


@lru_cache(maxsize=2)
def _client(url: str) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # One more try, on a new connection: the server may have closed the old one.
    retry = Retry(NoBackoff(), 1)
    return redis.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=retry)
