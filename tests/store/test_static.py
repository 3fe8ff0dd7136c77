"""Static files in production: WhiteNoise's, around the ASGI application."""

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator

from project.static import StaticFiles
from tests.waiting import WAIT_SECONDS


async def site(scope, receive, send):
    """Stands for the site behind the files."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"The site answers."})


@pytest.fixture
def application(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "store.css").write_text("body { margin: 0 }")
    (tmp_path / "store.0123456789ab.css").write_text("body { margin: 0 }")
    (tmp_path / "store.0123456789ab.css.gz").write_bytes(b"compressed")
    (tmp_path / "long.js").write_text("x" * 200_000)
    return StaticFiles(site)


def get(application, path, *, method="GET", **headers):
    """Status, headers and body of an answer."""

    async def ask():
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": named}
        communicator = ApplicationCommunicator(application, scope)
        start = await communicator.receive_output(WAIT_SECONDS)
        body, more = b"", True
        while more:
            message = await communicator.receive_output(WAIT_SECONDS)
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body

    return async_to_sync(ask)()


def test_file_is_served(application):
    status, headers, body = get(application, "/static/store.css")
    assert (status, body) == (200, b"body { margin: 0 }")
    assert headers["content-type"] == 'text/css; charset="utf-8"'
    assert headers["cache-control"] == "max-age=60, public"


def test_name_with_a_digest_may_be_kept_for_ever(application):
    _, headers, _ = get(application, "/static/store.0123456789ab.css")
    assert headers["cache-control"] == "max-age=315360000, public, immutable"


def test_compressed_file_is_for_those_who_take_it(application):
    _, headers, body = get(application, "/static/store.0123456789ab.css", accept_encoding="gzip")
    assert (headers["content-encoding"], body) == ("gzip", b"compressed")


def test_long_file_comes_whole(application):
    assert get(application, "/static/long.js")[2] == b"x" * 200_000


def test_known_file_is_not_sent_again(application):
    _, headers, _ = get(application, "/static/store.css")
    status, _, body = get(application, "/static/store.css", if_none_match=headers["etag"])
    assert (status, body) == (304, b"")


def test_head_has_no_body(application):
    status, headers, body = get(application, "/static/store.css", method="HEAD")
    assert (status, headers["content-length"], body) == (200, "18", b"")


@pytest.mark.parametrize("path", ["/", "/static/", "/static/unknown.css", "/static/../store.css"])
def test_everything_else_is_the_sites(application, path):
    assert get(application, path) == (404, {}, b"The site answers.")
