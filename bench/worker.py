"""Worker processes, as `agent_worker` runs them, whose models tell when they are asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.child import ROOT


@dataclass(frozen=True)
class Asked:
    """A model was asked: by a run of this prompt, in this process, at this time."""

    prompt: str
    pid: int
    time: float

    def tell(self) -> None:
        os.write(1, f"{self.prompt} {self.pid} {self.time}\n".encode())

    @classmethod
    def parse(cls, line: str) -> Asked:
        prompt, pid, when = line.split()
        return cls(prompt, int(pid), float(when))


class WorkerProcess:
    """A worker with default settings on this process's database. It ends with this process at the latest."""

    def __init__(self, queues: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "bench.worker", *queues]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()  # it is ready

    def asked(self) -> Asked:
        """Wait for the next time that a model is asked."""
        return Asked.parse(self._line())

    def kill(self) -> None:
        """End it as kill -9 does."""
        self._process.kill()
        self._process.communicate()

    def stop(self) -> None:
        """End it as it should end."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The worker ended with exit code {self._process.wait()}.")
        return line


def main(queues: Sequence[str]) -> None:
    import django

    django.setup()

    from retinue.agents.registry import all_agents
    from retinue.conf import get_settings
    from retinue.runtime.loop.engine import close_engine
    from retinue.workers.worker import Worker

    all_agents()
    worker = Worker(concurrency=get_settings().concurrency, queues=queues)
    worker.start()
    time.sleep(1.0)  # its first rounds are over
    print("ready", flush=True)
    sys.stdin.read()
    worker.stop()
    close_engine()


if __name__ == "__main__":
    main(sys.argv[1:])
