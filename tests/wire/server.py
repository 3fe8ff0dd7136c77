"""A provider on this machine, which speaks the wire of OpenAI (both) and Anthropic, and misbehaves on demand."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.wire import anthropic, chat, responses
from tests.wire.turns import Answer

DIALECTS = {"/v1/responses": responses, "/v1/chat/completions": chat, "/v1/messages": anthropic}


@dataclass(frozen=True)
class Status:
    """An error, as the provider words it."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Body:
    """This, with status 200, whatever was asked."""

    text: str


class Hang:
    """Nothing, until the test is over."""


@dataclass(frozen=True)
class Cut:
    """The connection is closed: at once, or within a stream after this many deltas of the answer."""

    answer: Answer | None = None
    after: int = 0


Turn = Answer | Status | Body | Hang | Cut


class Provider(ThreadingHTTPServer):
    """Gives one turn for each request; `asked` has the bodies of the requests."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self, turns: tuple[Turn, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.turns = turns
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def requests(self) -> int:
        return len(self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        turn = self.server.turns[min(self.server.requests, len(self.server.turns) - 1)]
        self.server.asked.append(asked)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        dialect = DIALECTS[self.path.partition("?")[0]]
        match turn:
            case Status():
                self._send(turn.code, json.dumps(dialect.error(turn.code)), turn.headers)
            case Body():
                self._send(200, turn.text)
            case Hang():
                self.server.closing.wait()
                self.close_connection = True
            case Cut(answer=None):
                self._close()
            case Cut(answer=answer, after=after):
                self._stream(dialect.events(asked, answer)[: dialect.LEAD + after], cut=True)
            case _ if asked.get("stream"):
                self._stream(dialect.events(asked, turn))
            case _:
                self._send(200, json.dumps(dialect.answer(asked, turn)))

    def _send(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, events: list[str], cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            data = f"{event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        if cut:
            self._close()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _close(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        """Nothing: the tests say what they saw."""


@contextmanager
def providing(*turns: Turn) -> Iterator[Provider]:
    """A provider that answers each request with the next turn, and goes on with the last."""
    server = Provider(turns)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
