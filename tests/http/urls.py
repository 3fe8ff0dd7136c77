"""What the servers of these tests serve: the stream, and what their process holds at the moment."""

import asyncio
import gc
import threading

import psutil
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import path, reverse

from retinue.http.events import execution_events
from retinue.http.threads import give_back_thread
from retinue.runtime.loop.bridge import SYNC_THREADS
from retinue.runtime.loop.engine import get_engine
from tests.docs.pages import ROOT, blocks

STREAMING = ROOT / "docs" / "streaming.md"


async def warm(request):
    """Have the engine start all the threads that it keeps, each with its connection."""
    bridge, all_there = get_engine().bridge, threading.Barrier(SYNC_THREADS)

    def connect():
        connection.ensure_connection()
        all_there.wait()

    await asyncio.gather(*(bridge.call(connect) for _ in range(SYNC_THREADS)))
    return JsonResponse({})


async def held(request):
    """How many tasks, threads, connections to the database and clients this process has.

    And whether it has renewed a lease, for which it takes a connection.
    """
    await give_back_thread()  # this request's own
    engine = get_engine()

    async def tasks():
        return len(asyncio.all_tasks())

    return JsonResponse(
        {
            "tasks": len(asyncio.all_tasks()),
            "engine_tasks": await asyncio.wrap_future(engine.submit(tasks)),
            "threads": threading.active_count(),
            "renewed": engine._heartbeat is not None and engine._heartbeat._renewed > 0,
            "connections": sum(isinstance(each, connection.Database.Connection) for each in gc.get_objects()),
            "clients": sum(bool(each.raddr) for each in psutil.Process().net_connections("tcp")),
        }
    )


def page(request, execution_id):
    """A page with the script of the documentation."""
    (script,) = [block.body for block in blocks(STREAMING) if block.language == "js"]
    address = reverse("events", args=[execution_id])
    return HttpResponse(f'<output id="answer" data-events="{address}"></output><script type="module">{script}</script>')


urlpatterns = [
    path("executions/<uuid:execution_id>/", page, name="page"),
    path("executions/<uuid:execution_id>/events/", execution_events, name="events"),
    path("held/", held),
    path("warm/", warm),
]
