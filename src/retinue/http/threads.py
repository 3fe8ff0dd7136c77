"""The thread that Django keeps for an ASGI request, given back where the answer takes long."""

from __future__ import annotations

import asyncio

from asgiref.sync import SyncToAsync
from django.db import connections


async def give_back_thread() -> None:
    """End this request's thread, and its database connections.

    Sync middleware and the ORM run on a thread of the request's own, which Django keeps until the whole answer is
    sent. A later call starts another one.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None:  # not under an ASGI server
        return
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if executor is not None:
        try:
            await asyncio.get_running_loop().run_in_executor(executor, connections.close_all)
        finally:
            executor.shutdown(wait=False)
