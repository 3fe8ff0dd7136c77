"""A server process of the site, with or without a worker in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
EMBEDDED = "embedded"


class ServerProcess:
    """Serves bench.web on a free port of this machine. It ends with this process at the latest."""

    def __init__(self, *, embedded: bool) -> None:
        command = [sys.executable, "-m", "bench.server", *([EMBEDDED] if embedded else [])]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def rss_mib(self) -> float:
        return float(psutil.Process(self._process.pid).memory_info().rss / 2**20)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def main(arguments: Sequence[str]) -> None:
    import socket
    import threading

    import django
    import uvicorn

    django.setup()

    from bench.web import application
    from retinue.agents.registry import all_agents
    from retinue.conf import get_settings
    from retinue.workers.worker import Worker

    if EMBEDDED in arguments:
        all_agents()
        Worker(concurrency=get_settings().concurrency, embedded=True).start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="warning", ws="none"))

    def end_with_parent() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1:])
