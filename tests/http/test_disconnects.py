"""Clients that leave take everything with them, and the run goes on."""

import json
import selectors
import socket
import struct
from itertools import cycle
from urllib.request import urlopen

from retinue.executions.models import AgentExecution
from retinue.runtime.loop.bridge import SYNC_THREADS
from tests.http.agents import PAUSE, STORY, narrator
from tests.waiting import until

CLIENTS = 500
ENDS = {"": "event: final", "?format=ag-ui": "RUN_FINISHED"}
"""The formats, and what a client has once the stream is over."""
SEEN = f"word{PAUSE - 1} "
"""What every client has got when it leaves."""


def held(site):
    """What the server's process has at the moment."""
    return asked(site, "/held/")


def asked(site, path):
    with urlopen(f"{site.url}{path}") as response:  # noqa: S310 (our own server)
        return json.load(response)


def settled(site, clients):
    """What it has once only these clients are there, and nothing changes any more."""
    now = held(site)
    there = now["renewed"] and now["clients"] == clients + 1  # and the one that asks
    return now if there and held(site) == now else None


class Crowd:
    """Clients that have asked for a stream, in these formats by turns, each on a connection of its own."""

    def __init__(self, site, path, cookie, size, formats=tuple(ENDS)):
        self.clients = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(size)]
        for client, query in zip(self.clients, cycle(formats), strict=False):
            client.sendall(f"GET {path}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())

    def until_seen(self, text):
        """Wait until each of them got this."""
        got = dict.fromkeys(self.clients, b"")
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                selector.register(client, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(60)
                assert ready, f"{len(selector.get_map())} of {len(got)} did not see {text!r}."
                for key, _ in ready:
                    part = key.fileobj.recv(65536)
                    assert part, got[key.fileobj]
                    got[key.fileobj] += part
                    if text.encode() in got[key.fileobj]:
                        selector.unregister(key.fileobj)

    def leave(self):
        """Half of them say so, the other half just break off."""
        for number, client in enumerate(self.clients):
            if number // len(ENDS) % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()


def test_disconnects_leave_nothing_behind(site, session_of, ada, tmp_path):
    cookie = f"sessionid={session_of(ada)}"
    execution = narrator.enqueue("Tell me a story.", user=ada, stream=True)
    asked(site, "/warm/")  # the first request starts the worker, too
    path = f"/executions/{execution.pk}/events/"
    stay = {query: Crowd(site, path, cookie, 1, [query]) for query in ENDS}
    for one in stay.values():
        one.until_seen(SEEN)
    before = until(lambda: settled(site, clients=len(stay)))

    assert before["connections"] >= SYNC_THREADS

    crowd = Crowd(site, path, cookie, CLIENTS)
    crowd.until_seen(SEEN)
    waiting = until(lambda: settled(site, clients=CLIENTS + len(stay)))
    assert waiting["threads"] == before["threads"]
    assert waiting["connections"] == before["connections"]
    crowd.leave()
    until(lambda: held(site) == before)

    assert AgentExecution.objects.get(pk=execution.pk).status == "running"
    (tmp_path / "go").touch()
    for query, one in stay.items():
        one.until_seen(ENDS[query])
        one.leave()
    execution.refresh_from_db()
    assert (execution.status, execution.answer) == ("completed", STORY)
