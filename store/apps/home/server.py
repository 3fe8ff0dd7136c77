"""An ASGI server in this process, for demonstrations: static files included, no reloading."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable

import uvicorn
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.utils.module_loading import import_string

CLOSE_SECONDS = 0.5
"""How long a stop waits for answers that are on their way; a stream goes on for as long as somebody watches."""


class CannotListen(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound and listens. Raises CannotListen."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CannotListen(f"There is no host {host!r}.") from error
    try:
        return socket.create_server(place[:2], family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(
                f"Port {port} is taken: stop what listens on it, or choose another one with --port."
            ) from error
        raise CannotListen(f"Cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}.") from error


def address(listener: socket.socket) -> str:
    """Where a browser on this machine finds what listens on the socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared with, not bound to)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve the site until SIGINT or SIGTERM; the handlers that were set for it run after that.

    `on_ready` is called as soon as the site answers.
    """
    site = ASGIStaticFilesHandler(import_string(settings.ASGI_APPLICATION))
    config = uvicorn.Config(site, lifespan="off", log_level="warning", ws="none")
    _Server(config, on_ready).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._hang_up)
        await super().shutdown(sockets=sockets)

    def _hang_up(self) -> None:
        """To the site it is as if the clients had left, so that it ends what it does for them."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
