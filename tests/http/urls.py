"""What the servers of these tests serve: the stream, and what their process holds at the moment."""

import asyncio
import threading

import psutil
from django.db import connection
from django.http import JsonResponse
from django.urls import path

from retinue.http.events import execution_events
from retinue.http.threads import give_back_thread
from retinue.runtime.loop.engine import get_engine


async def held(request):
    """How many tasks, threads and files (the database's and the clients' connections) this process has."""
    await give_back_thread()  # this request's own
    engine = get_engine()

    async def tasks():
        return len(asyncio.all_tasks())

    return JsonResponse(
        {
            "tasks": len(asyncio.all_tasks()),
            "engine_tasks": await asyncio.wrap_future(engine.submit(tasks)),
            "threads": threading.active_count(),
            "files": psutil.Process().num_fds(),
            "vendor": connection.vendor,
        }
    )


urlpatterns = [
    path("executions/<uuid:execution_id>/events/", execution_events, name="events"),
    path("held/", held),
]
