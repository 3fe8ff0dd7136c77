"""Static files around an ASGI application."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from whitenoise import WhiteNoise
from whitenoise.responders import StaticFile

CHUNK = 64 * 1024
DIGEST = r"\.[0-9a-f]{12}\."
"""What `collectstatic` puts into the names of files, which browsers may then keep for ever."""


class StaticFiles:
    """Answers for the files of STATIC_ROOT with what WhiteNoise knows of them, and leaves the rest to the application.

    Around it and not in MIDDLEWARE, because WhiteNoise's middleware is sync: each request of the site would take a
    thread for as long as it lasts, and a stream lasts long.
    """

    def __init__(self, application: Any) -> None:
        self.application = application
        self.files = WhiteNoise(
            None, settings.STATIC_ROOT, settings.STATIC_URL, immutable_file_test=DIGEST, allow_all_origins=False
        ).files

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        file = self.files.get(scope["path"]) if scope["type"] == "http" else None
        if file is None:
            await self.application(scope, receive, send)
        else:
            await _answer(file, scope, send)


async def _answer(file: StaticFile, scope: dict[str, Any], send: Any) -> None:
    headers = {f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in scope["headers"]}
    response = file.get_response(scope["method"], headers)
    named = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": int(response.status), "headers": named})
    if response.file is not None:
        with response.file:
            while chunk := response.file.read(CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})
