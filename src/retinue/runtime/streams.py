"""Watching a run from the process that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

from pydantic_ai import RunContext
from pydantic_ai.messages import AgentStreamEvent

from retinue.runtime.calls import start_stream
from retinue.runtime.result import AgentResult
from retinue.runtime.run import current_frame

OutputT = TypeVar("OutputT")
_END = object()


class AgentStream(Generic[OutputT]):
    """The events of a run, as they happen. Iterating ends with the run; an error of the run is raised then."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._result: AgentResult[OutputT] | None = None
        self._error: BaseException | None = None
        self._over = False

    @property
    def result(self) -> AgentResult[OutputT]:
        """The result, once the run has ended. Raises what the run raised."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("The run has not ended yet: iterate over its events first.")
        return self._result

    async def __aiter__(self) -> AsyncIterator[AgentStreamEvent]:
        while not self._over and (event := await self._events.get()) is not _END:
            yield event
        self._over = True
        if self._error is not None:
            raise self._error

    async def handle(self, ctx: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        """Called on the engine's loop. What is only replayed was seen before."""
        async for event in events:
            frame = current_frame.get()
            if frame is None or frame.run.live:
                self._push(event)

    def ended(self, result: AgentResult[OutputT] | None, error: BaseException | None) -> None:
        self._result, self._error = result, error
        self._push(_END)

    def _push(self, event: Any) -> None:
        with suppress(RuntimeError):  # the watcher's loop is closed: he left
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)


@asynccontextmanager
async def stream(agent: Any, prompt: str, **given: Any) -> AsyncIterator[AgentStream[Any]]:
    """See `DjangoAgent.stream`."""
    events: AgentStream[Any] = AgentStream()
    await start_stream(agent, prompt, events, **given)
    yield events
