"""Whether the site answers: little for everyone, more for those who look after it."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, JsonResponse

from retinue.assistant.health import ask_prsm, look
from retinue.http.methods import takes
from retinue.http.transactions import detached

PERMISSION = "retinue.view_worker"
FOR_EVERYONE = ("status", "prsm_connected")


@detached
@takes("GET", "HEAD")
async def health(request: HttpRequest) -> JsonResponse:
    sees_all = await sync_to_async(_sees_all)(request)
    if sees_all:
        await ask_prsm()
    found = await sync_to_async(look)()
    return JsonResponse(found if sees_all else {name: found[name] for name in FOR_EVERYONE})


def _sees_all(request: HttpRequest) -> bool:
    try:
        return request.user.has_perm(PERMISSION)
    except (DatabaseError, InterfaceError):  # where it is away, nobody is logged in
        return False
