"""A web server as a process that can be killed and started again at the same address."""

from __future__ import annotations

import os
import socket
import threading
import time

import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from tests.waiting import until

HOST = "127.0.0.1"


class Address:
    """A port that stays ours while nobody listens there: connections are refused then, as where a server is away."""

    def __init__(self) -> None:
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def until_answered(self) -> None:
        until(self._answers)

    def close(self) -> None:
        self._socket.close()

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) == 0


def serve(port: int) -> None:
    """Serve the project, static files included, until SIGTERM or until the parent process is gone."""
    parent = os.getppid()
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    config = uvicorn.Config(
        ASGIStaticFilesHandler(get_asgi_application()),
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=1,
        ws="none",
    )
    listener = _bound(port)
    listener.listen(2048)
    uvicorn.Server(config).run(sockets=[listener])


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
