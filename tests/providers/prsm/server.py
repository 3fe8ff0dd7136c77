"""A PRSM service on this machine, in both dialects: it takes what the real ones take and refuses what they refuse.

What it is told to `say` comes first, one reply for a request; then it answers by itself.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "prsm-secret-key"
CHARGE = "0.123456789012345678"
ANSWER = "Lamps give light."


@dataclass(frozen=True)
class Reply:
    """`body` goes out as it is, or as JSON; `events` are the chunks of a stream; `cut` breaks the connection off,
    `hang` keeps it open and says nothing more."""

    status: int = 200
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    events: Sequence[str] | None = None
    cut: bool = False
    hang: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    authorization: str | None
    body: Any
    at: float = field(default_factory=time.monotonic, compare=False)


def guide_answer(charge: str = CHARGE, **more: Any) -> str:
    """The JSON of an answer, its charge in these very characters."""
    answer = {
        "query_id": "q-1",
        "final_answer": ANSWER,
        "processing_time": 1.25,
        "quality_score": 87,
        "model_used": "m-large",
        "reasoning_trace": [],
        "metadata": {"tokens_used": 42, "model_calls": 1, "cache_hit": False},
        **more,
    }
    return f'{{"ftns_charged": {charge}, {json.dumps(answer)[1:]}'


def data(body: Any, event: str = "") -> str:
    """An event of a stream."""
    text = body if isinstance(body, str) else json.dumps(body)
    return f"event: {event}\ndata: {text}\n\n" if event else f"data: {text}\n\n"


def guide_events(*pieces: str, charge: str = CHARGE) -> list[str]:
    contents = [data({"type": "content", "content": piece}) for piece in pieces]
    final = json.dumps("".join(pieces))
    end = f'{{"type": "end", "final_answer": {final}, "ftns_charged": {charge}}}'
    return [data({"type": "start", "query_id": "q-2"}), *contents, data(end)]


def receipt(cost: Any = CHARGE) -> dict[str, Any]:
    return {"job_id": "j-1", "model_id": "gpt2", "cost_ftns": cost, "duration_seconds": 2.5}


def inference(**more: Any) -> dict[str, Any]:
    return {"success": True, "job_id": "j-1", "request_id": "r-1", "output": ANSWER, "receipt": receipt(), **more}


def node_events(*pieces: str) -> list[str]:
    tokens = [data({"text_delta": piece, "finish_reason": None}, "token") for piece in pieces]
    return [*tokens, data(inference(output="".join(pieces)), "result")]


def error(code: str, message: str = "No.", **details: Any) -> dict[str, Any]:
    """An error in the guide's shape."""
    return {"error": {"code": code, "message": message, "details": details}, "request_id": "req-1"}


class PRSMServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, dialect: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.dialect = dialect
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.ended = threading.Event()

    def handle_error(self, *args: Any) -> None:
        """A connection that was cut, or whose client went away."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def last(self) -> dict[str, Any]:
        """The body of the last request."""
        return self.asked[-1].body

    def say(self, *replies: Reply) -> None:
        self.replies += replies

    def reply(self, asked: Asked) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        if asked.path == "/health":
            return Reply(body={"status": "healthy" if self.dialect == "guide" else "ok"})
        return _guide(asked) if self.dialect == "guide" else _node(asked)


def _guide(asked: Asked) -> Reply:
    if asked.authorization != f"Bearer {KEY}":
        return Reply(401, error("INVALID_API_KEY", f"{asked.authorization} is not known"))
    required = {"/api/v1/query": ("prompt", "user_id"), "/api/v1/stream": ("prompt", "user_id")}
    required["/api/v1/sessions"] = ("user_id",)
    if asked.path not in required:
        return Reply(404, {"detail": "Not Found"})
    for name in required[asked.path]:
        if not isinstance(asked.body.get(name), str):
            return Reply(422, error("INVALID_INPUT", "Wrong.", field=name))
    if not isinstance(asked.body.get("context_allocation", 50), int):
        return Reply(422, error("INVALID_INPUT", "Wrong.", field="context_allocation"))
    if asked.path == "/api/v1/sessions":
        times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}
        context = asked.body["initial_context"]
        return Reply(body={"session_id": "sess_1", "user_id": asked.body["user_id"], "context": context, **times})
    if asked.path == "/api/v1/stream":
        return Reply(events=guide_events("Lamps ", "give ", "light."))
    return Reply(body=guide_answer())


def _node(asked: Asked) -> Reply:
    if asked.path == "/compute/query":
        if not isinstance(asked.body.get("budget"), int):
            return Reply(422, {"detail": "budget must be a number"})
        result = {"model": "nwtn", "tokens_used": 7, "source": "local"}
        return Reply(body={"job_id": "j-0", "response": ANSWER, "result": result})
    if not isinstance(asked.body.get("model_id"), str):
        return Reply(400, {"detail": "model_id is required"})
    if asked.path == "/compute/inference":
        return Reply(body=inference())
    if asked.path == "/compute/inference/stream":
        return Reply(events=node_events("Lamps ", "give ", "light."))
    return Reply(404, {"detail": "Not Found"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PRSMServer

    def do_GET(self) -> None:
        self._handle(None)

    def do_POST(self) -> None:
        self._handle(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _handle(self, body: Any) -> None:
        asked = Asked(self.command, self.path, self.headers["authorization"], body)
        self.server.asked.append(asked)
        reply = self.server.reply(asked)
        if reply.events is not None:
            self._stream(reply)
        elif reply.hang:
            self._hang()
        elif reply.cut:
            self._cut()
        else:
            self._whole(reply)

    def _whole(self, reply: Reply) -> None:
        content = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        self.send_response(reply.status)
        headers = {"content-type": "application/json", "content-length": str(len(content)), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, reply: Reply) -> None:
        self.send_response(reply.status)
        headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for event in reply.events or ():
            content = event.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
            self.wfile.flush()
        if reply.cut:
            self._cut()
        elif reply.hang:
            self._hang()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _hang(self) -> None:
        self.server.ended.wait(20)
        self.close_connection = True

    def _cut(self) -> None:
        self.wfile.flush()
        # A reset, not an end: what was promised does not come.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Nothing: the tests say what they saw."""


@contextmanager
def serving(dialect: str = "guide") -> Iterator[PRSMServer]:
    """A service for the time of a block."""
    server = PRSMServer(dialect)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
