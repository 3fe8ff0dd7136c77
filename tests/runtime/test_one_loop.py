"""All runs of a process share one loop, whoever asks: many threads, forks, callers that go away."""

import asyncio
import os
import socket
import threading
from contextlib import contextmanager

import pytest
from django.db import connections
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from retinue.executions.models import AgentExecution, ExecutionStep
from retinue.runtime.loop.engine import close_engine, get_engine
from retinue.testing import allow_model_requests
from tests.chat_server import serving, text, tool_call
from tests.scripted import call, prompt_of, scripted
from tests.shop.models import Note
from tests.waiting import WAIT_SECONDS, opened, until

pytestmark = pytest.mark.django_db(transaction=True)


def with_note(model):
    agent = DjangoAgent("keeper", permission=AUTHENTICATED, model=model)

    @agent.tool
    def add_note(ctx: RunContext[DjangoDeps], label: str) -> str:
        Note.objects.create(execution=str(ctx.deps.execution_id), label=label)
        return label

    return agent


def answer(messages):
    """The tool first, then what it gave."""
    last = messages[-1]
    if last["role"] == "tool":
        return text(f"noted {last['content']}")
    return tool_call("add_note", label=last["content"])


@contextmanager
def chatting():
    """An agent whose model is asked over HTTP, through one client."""
    with serving(answer) as server, allow_model_requests():
        yield with_note(OpenAIChatModel("gpt-4o", provider=OpenAIProvider(base_url=server.url, api_key="x"))), server


def test_threads_share_an_agent_and_its_http_client(user):
    """As sync views do it: concurrent loops would fail here, each with the connections of another."""
    outputs, lock = {}, threading.Lock()

    def view(thread):
        for number in range(20):
            prompt = f"{thread}-{number}"
            result = agent.run_sync(prompt, user=user)
            with lock:
                outputs[prompt] = result.output
        connections.close_all()

    with chatting() as (agent, server):
        threads = [threading.Thread(target=view, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outputs == {f"{t}-{n}": f"noted {t}-{n}" for t in range(8) for n in range(20)}
        assert server.requests == 320
    assert set(AgentExecution.objects.values_list("status", flat=True)) == {"completed"}
    assert Note.objects.count() == 160
    assert ExecutionStep.objects.count() == 480


def fork(work):
    """Run this in a child process, which ends without the parent's cleaning up; give its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        close_engine()
        connections.close_all()
        status = 0
    finally:
        os._exit(status)


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_child_and_parent_both_run_after_a_fork(user):
    agent = with_note(scripted(lambda m: [call("add_note", label=prompt_of(m))], "done"))
    agent.run_sync("before", user=user)
    engine = get_engine()
    connections.close_all()
    child = fork(lambda: agent.run_sync("child", user=user))
    agent.run_sync("parent", user=user)
    assert ended(child) == 0
    agent.run_sync("after", user=user)
    assert get_engine() is engine
    assert sorted(Note.objects.values_list("label", flat=True)) == ["after", "before", "child", "parent"]
    assert set(AgentExecution.objects.values_list("status", flat=True)) == {"completed"}


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_http_client_that_was_used_before_a_fork(user):
    """The client's idle connections belong to the parent and its loop."""
    with chatting() as (agent, _):
        agent.run_sync("before", user=user)
        connections.close_all()
        child = fork(lambda: agent.run_sync("child", user=user))
        assert ended(child) == 0
        agent.run_sync("after", user=user)
    assert sorted(Note.objects.values_list("label", flat=True)) == ["after", "before", "child"]


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_prefork_server(user):
    """Three processes accept on one socket and run the agent for each client, as a forking server does."""
    agent = with_note(scripted(lambda m: [call("add_note", label=prompt_of(m))], lambda m: f"noted {prompt_of(m)}"))
    agent.run_sync("warm", user=user)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        address = listener.getsockname()

        def serve():
            while True:
                client, _ = listener.accept()
                with client:
                    prompt = client.recv(100).decode()
                    if prompt == "stop":
                        return
                    client.sendall(agent.run_sync(prompt, user=user).output.encode())

        connections.close_all()
        children = [fork(serve) for _ in range(3)]
        answers = {}

        def ask(prompt):
            with socket.create_connection(address) as connection:
                connection.sendall(prompt.encode())
                answers[prompt] = connection.recv(100).decode()

        askers = [threading.Thread(target=ask, args=(f"p{number}",)) for number in range(12)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        for _ in children:
            ask("stop")
        assert [ended(child) for child in children] == [0, 0, 0]
    del answers["stop"]
    assert answers == {f"p{number}": f"noted p{number}" for number in range(12)}
    assert Note.objects.count() == 13
    assert set(AgentExecution.objects.values_list("status", flat=True)) == {"completed"}


def test_caller_that_goes_away_leaves_the_run_to_finish(user):
    """A client's disconnect cancels the view that awaits the run, not the run."""
    asked, gate = threading.Event(), threading.Event()

    async def slow(messages, info):
        asked.set()
        await opened(gate)
        return ModelResponse(parts=[TextPart("done all the same")])

    async def view():
        waiting = asyncio.ensure_future(with_note(FunctionModel(slow)).run("Go", user=user))
        await asyncio.to_thread(asked.wait, WAIT_SECONDS)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(view())
    assert AgentExecution.objects.get().status == "running"
    gate.set()
    until(lambda: AgentExecution.objects.filter(status="completed").exists())
    assert AgentExecution.objects.get().output_data == "done all the same"
    assert ExecutionStep.objects.get().kind == "model"


@pytest.mark.parametrize("place", ["sync", "lane"])
def test_closed_engine_leaves_no_thread_behind(db, place):
    """One that is inside a database driver when the interpreter goes takes the process down."""
    bridge = get_engine().bridge
    begun, gate, threads = threading.Event(), threading.Event(), []

    def work():
        threads.append(threading.current_thread())
        begun.set()
        gate.wait(WAIT_SECONDS)

    async def start():
        await (bridge.submit if place == "lane" else bridge.call)(work)

    get_engine().submit(start)
    assert begun.wait(WAIT_SECONDS)
    threading.Timer(0.2, gate.set).start()  # long enough to be closed before it
    close_engine()
    assert [thread.is_alive() for thread in threads] == [False]
