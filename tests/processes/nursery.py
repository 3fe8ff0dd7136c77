"""Real worker processes, forked from one that has everything imported already.

A fresh interpreter spends more than a second on imports: two hundred workers would do little else. A worker
that is forked before there is any thread or connection starts within milliseconds and is in every other way
a process of its own.

    nursery = Nursery("tests.torture.agents", environment=…)
    process = nursery.start(folder=…, retinue={"LEASE_SECONDS": 1.5}, trap=("before-park", 3, "SIGKILL"))
    process.send("SIGSTOP")
    nursery.close()

The nursery kills what it started as soon as its input closes, so nothing outlives the tests.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.processes.server import serve
from tests.waiting import WAIT_SECONDS

ROOT = Path(__file__).resolve().parent.parent.parent


class WorkerProcess:
    """A worker, as the tests see it."""

    def __init__(self, nursery: Nursery) -> None:
        self.pid = 0
        self.returncode: int | None = None
        """As `subprocess` has it: minus the signal that ended it."""
        self._nursery = nursery
        self._started = threading.Event()
        self._ended = threading.Event()

    def send(self, name: str) -> None:
        """Send a signal; nothing happens once the process has ended."""
        self._nursery.write({"signal": name, "pid": self.pid})

    def wait(self, timeout: float = WAIT_SECONDS) -> int:
        """Wait until it has ended; give how."""
        if not self._ended.wait(timeout):
            raise TimeoutError(f"The worker {self.pid} has not ended.")
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        self.send("SIGKILL")
        self.wait()

    def stop(self) -> int:
        """Have it end as a worker should; give its exit code."""
        self.send("SIGTERM")
        return self.wait()

    @property
    def alive(self) -> bool:
        return self.returncode is None


class Nursery:
    """Starts workers. `modules`: where their agents are, each with a list `AGENTS`."""

    def __init__(self, *modules: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.nursery", *modules],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt from the keyboard is for the tests
        )
        self._starting: list[WorkerProcess] = []
        self._workers: dict[int, WorkerProcess] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, name="nursery", daemon=True).start()

    def start(self, **plan: Any) -> WorkerProcess:
        """Start a worker; see `Plan` for what may be said about it."""
        worker = WorkerProcess(self)
        with self._lock:
            self._starting.append(worker)
            self._send({"start": plan})
        if not worker._started.wait(WAIT_SECONDS):
            raise TimeoutError("The nursery has not started the worker.")
        return worker

    def write(self, message: dict[str, Any]) -> None:
        with self._lock, suppress(BrokenPipeError, ValueError):  # closed: then nobody is there any more
            self._send(message)

    def close(self) -> None:
        """End it, and with it every worker that is still there."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(WAIT_SECONDS)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "started" in message:
                worker = self._starting.pop(0)
                worker.pid = message["started"]
                self._workers[worker.pid] = worker
                worker._started.set()
            else:
                worker = self._workers.pop(message["ended"])
                worker.returncode = message["status"]
                worker._ended.set()


# What follows runs in the nursery, and in the workers that it forks.


class Plan:
    """What a worker is told.

    `folder`: where its log goes, and where agents find files of theirs (`WITNESS_FOLDER`). `retinue`: its
    settings. `trap`: a point of the engine, how often it is to be reached, and the signal that the worker then
    sends to itself. `sweep`: seconds between looks for orphans. `seed`: for its dice. `prompt` and `user`: it is no
    worker, but runs the first agent for this user (by primary key) and waits for that. `port`: it is no worker, but
    a web server there.
    """

    def __init__(
        self,
        *,
        folder: str,
        retinue: dict[str, Any],
        trap: tuple[str, int, str] | None = None,
        sweep: float | None = None,
        seed: int = 0,
        concurrency: int = 100,
        prompt: str = "",
        user: Any = None,
        port: int = 0,
    ) -> None:
        self.folder = Path(folder)
        self.retinue = retinue
        self.trap = trap
        self.sweep = sweep
        self.seed = seed
        self.concurrency = concurrency
        self.prompt = prompt
        self.user = user
        self.port = port


class Trap:
    """Sends this process a signal when a point is reached for the n-th time."""

    def __init__(self, point: str, times: int, name: str) -> None:
        self._point = point
        self._left = times
        self._signal = signal.Signals[name]
        self._lock = threading.Lock()

    def __call__(self, point: str) -> None:
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            sprung = self._left == 0
        if sprung:
            # To this thread, so that it comes no further than here: another one might see to a stop much later.
            signal.pthread_kill(threading.get_ident(), self._signal)
            time.sleep(0.3)  # what the end of a worker sets off happens on other threads


def work(plan: Plan, agents: list[Any]) -> None:
    """Be a worker until told to stop, or until the nursery is gone."""
    from django.conf import settings

    from retinue.agents.registry import registered
    from retinue.conf import get_settings
    from retinue.runtime import points
    from retinue.runtime.loop.engine import close_engine
    from retinue.types import Principal
    from retinue.workers import worker as workers

    settings.RETINUE = plan.retinue
    get_settings.cache_clear()
    os.environ["WITNESS_FOLDER"] = str(plan.folder)
    random.seed(plan.seed)
    if plan.trap is not None:
        points.hook = Trap(*plan.trap)
    if plan.sweep is not None:
        workers.SWEEP_SECONDS = plan.sweep
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    nursery = os.getppid()
    with registered(*agents):
        if plan.port:
            serve(plan.port)
            return
        if plan.prompt:
            agents[0].run_sync(plan.prompt, principal=Principal(type="user", key=plan.user))
            return
        worker = workers.Worker(concurrency=plan.concurrency)
        worker.start()
        while os.getppid() == nursery and not told.wait(0.5):
            pass
        worker.stop()
    close_engine()


def _become_worker(plan: Plan, agents: list[Any]) -> None:
    """In the child: leave the nursery's files and signals, and never come back."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        log = os.open(plan.folder / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s {os.getpid()} %(name)s %(message)s", force=True)
        work(plan, agents)
        status = 0
    except BaseException:
        logging.exception("The worker broke down")
    finally:
        os._exit(status)


class _Brood:
    """The nursery's side: forks, passes signals on, and says who has ended."""

    def __init__(self, agents: list[Any]) -> None:
        self._agents = agents
        self._pids: set[int] = set()

    def serve(self) -> None:
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        rest = b""
        try:
            while True:
                readable, _, _ = select.select([0, reader], [], [])
                if reader in readable:
                    with suppress(BlockingIOError):
                        os.read(reader, 4096)
                    self._reap()
                if 0 in readable:
                    if not (data := os.read(0, 65536)):
                        return
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        self._obey(json.loads(line))
        finally:
            for pid in self._pids:
                os.kill(pid, signal.SIGKILL)

    def _obey(self, message: dict[str, Any]) -> None:
        if "signal" in message:
            if message["pid"] in self._pids:  # not reaped yet, so the number is still this process's
                os.kill(message["pid"], signal.Signals[message["signal"]])
            return
        plan = Plan(**message["start"])
        pid = os.fork()
        if pid == 0:
            _become_worker(plan, self._agents)
        self._pids.add(pid)
        self._say({"started": pid})

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._pids.discard(ended[0])
                self._say({"ended": ended[0], "status": os.waitstatus_to_exitcode(ended[1])})

    def _say(self, message: dict[str, Any]) -> None:
        os.write(1, json.dumps(message).encode() + b"\n")


def main() -> None:
    import django

    django.setup()
    agents = [agent for name in sys.argv[1:] for agent in importlib.import_module(name).AGENTS]
    from django.conf import settings

    server = ("retinue.http.events", settings.ROOT_URLCONF)
    for name in ("retinue.workers.worker", "retinue.dispatch.worker", "pydantic_ai.models.function", *server):
        importlib.import_module(name)
    from retinue.agents.registry import all_agents

    all_agents()
    gc.freeze()  # else each worker would soon have copied it all, just by looking through it for garbage
    _Brood(agents).serve()


if __name__ == "__main__":
    main()
