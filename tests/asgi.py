"""A site under a real ASGI server, in a process of its own that tests may kill.

    server = start_server(connection, retinue={"EVENTS": "poll"})
    server.url                   # http://127.0.0.1:41234
    server.kill()                # SIGKILL; its port stays its own
    server.start()               # another process, at the same address
    server.stop()                # SIGTERM, as a deployment does
    server.close()               # gone, and its port is given back

It works on the database of the connection. Nothing outlives the tests: it ends as soon as its standard input closes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from tests import servers
from tests.waiting import WAIT_SECONDS

ROOT = Path(__file__).resolve().parent.parent
CLOSE_SECONDS = 1
"""How long a stop waits for answers that are still on their way."""


class Server:
    """One address, and the process that serves it at the moment."""

    def __init__(self, environment: dict[str, str]) -> None:
        # Bound, but never listened on: the port is nobody else's while no process serves it.
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**environment, "TEST_SERVER_PORT": str(self.port)}
        self._log = servers.folder() / f"server-{os.getpid()}-{self.port}.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Serve; returns once it answers."""
        assert self._process is None, "It serves already."
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.asgi"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # an interrupt from the keyboard is for the tests
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"The server did not start:\n{self.log()}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill the process and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Have it end as a deployment does; give its exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self._place.close()

    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text() if self._log.exists() else ""

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        self._process.send_signal(how)
        code = self._process.wait(WAIT_SECONDS)
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None
        return code


def start_server(
    connection: Any,
    *,
    settings: str = "tests.settings",
    urls: str = "",
    retinue: dict[str, Any] | None = None,
    agents: str = "",
    worker: bool = False,
    **environment: str,
) -> Server:
    """Serve a site on the database of this connection.

    `urls`: a URL configuration in place of the settings' own. `retinue`: keys over those of its `RETINUE`.
    `agents`: a module with a list `AGENTS`, which the process knows besides those of its apps. `worker`: whether the
    process works too. `environment`: variables of its environment.
    """
    server = Server(
        {
            **servers.environment(connection, settings),
            "TEST_SERVER": json.dumps({"urls": urls, "retinue": retinue or {}, "agents": agents, "worker": worker}),
            **environment,
        }
    )
    server.start()
    return server


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


# What follows runs in the server's process.


def main() -> None:
    import django
    import uvicorn
    from django.conf import settings
    from django.core.asgi import get_asgi_application

    plan = json.loads(os.environ["TEST_SERVER"])
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    if plan["urls"]:
        settings.ROOT_URLCONF = plan["urls"]
    settings.RETINUE = {**getattr(settings, "RETINUE", {}), **plan["retinue"], "EMBEDDED_WORKER": plan["worker"]}
    django.setup()
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

    from retinue.agents.registry import registered
    from retinue.dispatch import start_embedded_worker

    known = registered(*(import_module(plan["agents"]).AGENTS if plan["agents"] else ()))
    site = ASGIStaticFilesHandler(get_asgi_application())
    listener = _bound(int(os.environ["TEST_SERVER_PORT"]))
    listener.listen(2048)

    class Ready(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            sys.stdout.write("ready\n")
            sys.stdout.flush()

    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    config = uvicorn.Config(
        site, lifespan="off", ws="none", log_level="warning", timeout_graceful_shutdown=CLOSE_SECONDS
    )
    with known:
        start_embedded_worker()
        Ready(config).run(sockets=[listener])


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
