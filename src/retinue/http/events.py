"""The stream of a run's events, for browsers and programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from retinue.conf import get_settings
from retinue.executions.events import Event, EventId
from retinue.executions.models import AgentExecution, ExecutionEvent
from retinue.executions.states import EventKind
from retinue.http import sse
from retinue.http.access import may_view
from retinue.http.errors import refusal
from retinue.http.methods import takes
from retinue.http.principal import renewed, request_principal
from retinue.http.threads import give_back_thread
from retinue.http.transactions import detached
from retinue.runtime.events.watch import Beat, Stored, watch
from retinue.runtime.loop.engine import get_engine

AG_UI = "ag-ui"
FORMATS = (sse.FORMAT, AG_UI)
BEAT_SECONDS = 15.0
CHECK_SECONDS = 60.0
"""How often it is asked anew whether who watches still may."""

Encode = Callable[[Event | Stored | Beat], bytes]


@detached
@takes("GET")
async def execution_events(request: HttpRequest, execution_id: UUID) -> HttpResponseBase:
    """The events of a run after `Last-Event-ID` (or `?after=`), and those that come, to its end.

    For whom the run acts, and for holders of the permission to view it or its session. A delegated run has no stream:
    what it does shows in that of the run that nobody delegated. `?format=ag-ui` gives AG-UI's events. Who has the end
    already gets 204, on which browsers connect no more.
    """
    form = request.GET.get("format", sse.FORMAT)
    if form not in FORMATS:
        return refusal(400, "invalid_input", _("There are these formats: %s.") % ", ".join(FORMATS))
    try:
        after = _place(request)
    except ValueError as error:
        return refusal(400, "invalid_input", str(error))
    if form == AG_UI and not _has_ag_ui():
        sentence = _("This site has no AG-UI. To have it: pip install django-retinue[ag-ui]")
        return refusal(501, "format_missing", sentence)
    # On a thread of the engine's: its connection is there already, and the request needs none of its own.
    answer = await get_engine().bridge.call(_look_up, request, execution_id, form, after)
    match answer:
        case 401:
            return refusal(401, "not_authenticated", _("Log in to see this."))
        case 404:
            return refusal(404, "not_found", _("There is no such run."))
        case int():
            return HttpResponse(status=answer)
    # AG-UI's clients know a connection as a whole: it is made from the beginning, whatever they have.
    frames = _frames(request, execution_id, answer, after if form == sse.FORMAT else None)
    return StreamingHttpResponse(
        # A WSGI server takes nothing asynchronous: its thread waits for each frame.
        frames if isinstance(request, ASGIRequest) else _pulled(frames),
        content_type=sse.CONTENT_TYPE,
        headers=sse.HEADERS,
    )


def _place(request: HttpRequest) -> EventId | None:
    """After which event: what a browser says that connects again, else what the address says. Raises ValueError."""
    place = request.headers.get("Last-Event-ID") or request.GET.get("after")
    return EventId.parse(place) if place else None


def _has_ag_ui() -> bool:
    try:
        import ag_ui as _installed  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def _look_up(request: HttpRequest, execution_id: UUID, form: str, after: EventId | None) -> Encode | int:
    """What makes the stream's frames; or the status of what is answered in its place."""
    alias, execution = get_settings().database, _find(request, execution_id)
    if isinstance(execution, int):
        return execution
    if after is not None and _has_end(alias, execution_id, after):
        return 204
    if form == sse.FORMAT:
        return sse.encode
    from retinue.http.ag_ui.translator import Translator, conversation_before

    return Translator(execution, conversation_before(execution, alias), after).encode


def _find(request: HttpRequest, execution_id: UUID) -> AgentExecution | int:
    """The run, where who asks may see it; else the status that says why not."""
    principal = request_principal(request)
    if principal is None:
        return 401
    execution = AgentExecution.objects.using(get_settings().database).roots().filter(pk=execution_id).first()
    return execution if execution is not None and may_view(execution, principal, request.user) else 404


def _may_still(request: HttpRequest, execution_id: UUID) -> bool:
    return isinstance(_find(renewed(request), execution_id), AgentExecution)


def _has_end(alias: str, execution_id: UUID, after: EventId) -> bool:
    last = ExecutionEvent.objects.using(alias).filter(execution=execution_id).order_by("epoch", "seq").last()
    return last is not None and last.kind == EventKind.FINAL and EventId(last.epoch, last.seq) <= after


async def _frames(
    request: HttpRequest, execution_id: UUID, encode: Encode, after: EventId | None
) -> AsyncGenerator[bytes]:
    await give_back_thread()  # by now, the middleware is through with it
    yield sse.OPENING
    clock = asyncio.get_running_loop().time
    checked = clock()
    async with aclosing(watch(execution_id, after, beat=BEAT_SECONDS)) as items:
        async for item in items:
            if clock() - checked >= CHECK_SECONDS:
                if not await get_engine().bridge.call(_may_still, request, execution_id):
                    return  # who connects again is told why not
                checked = clock()
            if frame := encode(item):
                yield frame


def _pulled(frames: AsyncGenerator[bytes]) -> Iterator[bytes]:
    """The same for a thread that waits for each."""
    submit = get_engine().submit

    async def following() -> bytes | None:
        return await anext(frames, None)

    try:
        while (frame := submit(following).result()) is not None:
            yield frame
    finally:
        submit(frames.aclose).result()
