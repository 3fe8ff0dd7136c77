"""How soon a watcher has a model's first word, in the process of the run and in another; a thousand watchers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID

from bench.child import in_child
from bench.figure import Figure, say

ASKED = 40
WATCHERS = 1000
STREAMS = 100
SAMPLE_SECONDS = 0.1
VENDORS = ("sqlite", "postgresql")


def here() -> float:
    """Milliseconds, where the run is in the server's own process."""
    from bench.server import ServerProcess

    return _first_words(ServerProcess(embedded=True))


def elsewhere() -> float:
    """Milliseconds, where the run is in a worker's process."""
    from bench.server import ServerProcess
    from bench.worker import WorkerProcess

    worker = WorkerProcess()
    try:
        return _first_words(ServerProcess(embedded=False))
    finally:
        worker.stop()


def _first_words(server: Any) -> float:
    from bench.workload.agents import clock_teller
    from bench.workload.users import make_users

    (user,) = make_users(1)
    cookie = _log_in(user)
    waits = []
    for _ in range(ASKED):
        execution = clock_teller.enqueue("What time is it?", user=user, stream=True)
        told, received = asyncio.run(_first_word(server.port, cookie, execution.id))
        waits.append((received - told) * 1000)
    server.stop()
    say(f"shortest {min(waits):.1f} ms, median {median(waits):.1f} ms, longest {max(waits):.1f} ms")
    return median(waits)


def memory() -> float:
    """MiB of a server's process at its most, in which a thousand watch a hundred runs that it runs itself."""
    from bench.server import ServerProcess
    from bench.workload.agents import long_teller
    from bench.workload.users import make_users

    (user,) = make_users(1)
    cookie, server, most = _log_in(user), ServerProcess(embedded=True), 0.0
    runs = [long_teller.enqueue(f"Story {number}", user=user, stream=True).id for number in range(STREAMS)]

    async def watch_all() -> list[str]:
        nonlocal most
        watchers = asyncio.gather(*(_last_text(server.port, cookie, runs[n % STREAMS]) for n in range(WATCHERS)))
        while not watchers.done():
            most = max(most, server.rss_mib)
            await asyncio.sleep(SAMPLE_SECONDS)
        return await watchers

    texts = asyncio.run(watch_all())
    server.stop()
    if len(set(texts)) != 1 or not texts[0]:
        raise RuntimeError("Not every watcher got the whole text.")
    return most


def _log_in(user: Any) -> str:
    """The cookie of a browser in which this user is logged in."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"sessionid={session.session_key}"


@contextmanager
def _closing(writer: asyncio.StreamWriter) -> Any:
    try:
        yield
    finally:
        writer.close()


async def _follow(port: int, cookie: str, execution_id: UUID, take: Callable[[str, Any], Any]) -> Any:
    """Give each event to `take` until it gives something back."""
    import json

    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    with _closing(writer):
        lines = [f"GET /executions/{execution_id}/events/ HTTP/1.1", "Host: localhost", f"Cookie: {cookie}", "", ""]
        writer.write("\r\n".join(lines).encode())
        kind = ""
        while line := await reader.readline():
            if line.startswith(b"event: "):
                kind = line[7:].decode().strip()
            elif line.startswith(b"data: ") and (found := take(kind, json.loads(line[6:]))) is not None:
                return found
    raise RuntimeError("The stream ended too early.")


async def _first_word(port: int, cookie: str, execution_id: UUID) -> tuple[float, float]:
    def take(kind: str, data: Any) -> Any:
        return (float(data["text"]), time.time()) if kind == "text" else None

    found: tuple[float, float] = await _follow(port, cookie, execution_id, take)
    return found


async def _last_text(port: int, cookie: str, execution_id: UUID) -> str:
    text = ""

    def take(kind: str, data: Any) -> Any:
        nonlocal text
        if kind == "text":
            text = text[: data["offset"]] + data["text"]
        return text if kind == "final" else None

    found: str = await _follow(port, cookie, execution_id, take)
    return found


def worst(function: Callable[[], float]) -> float:
    """On every database; the largest counts."""
    values = {vendor: in_child(function, vendor) for vendor in VENDORS}
    say("  ".join(f"{vendor} {value:.1f}" for vendor, value in values.items()))
    return float(max(values.values()))


FIGURES = [
    Figure(name="sse_first_event_p50_ms", unit="ms", digits=1, measure=partial(worst, here)),
    Figure(name="sse_first_event_other_process_p50_ms", unit="ms", digits=1, measure=partial(worst, elsewhere)),
    Figure(name="sse_1000_watchers_rss_mib", unit="MiB", digits=0, measure=partial(worst, memory)),
]
