"""Threads that hear from other processes, by way of PostgreSQL or Redis, that there are new events."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import connections

from retinue.executions.announcements import CHANNEL, redis_url, uses_notify

logger = logging.getLogger("retinue.events")

TICK = 0.2
"""How long a stop may take."""
PAUSE = 2.0
"""Between two tries to connect."""

Heard = Callable[[UUID | None], None]


class Listener(threading.Thread):
    """Calls `heard(execution id)`; with None when it begins to listen, or does not any more: something was missed."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(name="retinue-listener", daemon=True)
        self._heard = heard
        self._stopped = threading.Event()
        self.connected = False

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        warned = False
        while not self._stopped.is_set():
            try:
                self._listen()
            except Exception as error:  # the drivers have many; until it is back, the follower looks by itself
                if not warned:
                    logger.warning("Nobody tells of new events (%s); looking for them instead.", type(error).__name__)
                warned = True
            self.connected = False
            self._heard(None)  # from now on somebody has to look
            self._stopped.wait(PAUSE)

    def _listening(self) -> None:
        self.connected = True
        self._heard(None)

    def _listen(self) -> None:
        raise NotImplementedError  # an interface: each says how


class PostgreSQLListener(Listener):
    """LISTEN, on a connection of its own."""

    def __init__(self, alias: str, heard: Heard) -> None:
        super().__init__(heard)
        self._parameters: dict[str, Any] = connections[alias].get_connection_params()

    def _listen(self) -> None:
        import psycopg

        parameters = {k: v for k, v in self._parameters.items() if k not in ("cursor_factory", "context")}
        with psycopg.connect(**parameters, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._listening()
            while not self._stopped.is_set():
                for notice in connection.notifies(timeout=TICK):
                    self._heard(UUID(notice.payload))
                    if self._stopped.is_set():
                        break


class RedisListener(Listener):
    """SUBSCRIBE."""

    def __init__(self, url: str, heard: Heard) -> None:
        super().__init__(heard)
        self._url = url

    def _listen(self) -> None:
        import redis

        with redis.Redis.from_url(self._url, socket_connect_timeout=PAUSE) as client, client.pubsub() as subscription:
            subscription.subscribe(CHANNEL)
            while not self._stopped.is_set():
                message = subscription.get_message(timeout=TICK)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._listening()
                elif message["type"] == "message":
                    self._heard(UUID(message["data"].decode()))


def listener_for(alias: str, heard: Heard) -> Listener | None:
    """A listener that has started; None where processes find new events by looking."""
    listener: Listener
    if uses_notify(alias):
        listener = PostgreSQLListener(alias, heard)
    elif url := redis_url():
        listener = RedisListener(url, heard)
    else:
        return None
    listener.start()
    return listener
