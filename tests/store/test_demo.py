"""The command behind `make run`, in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, IncompleteRead
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from apps.users.demo import STAFF
from tests.waiting import WAIT_SECONDS

MANAGE = Path(__file__).parents[2] / "store" / "manage.py"


@pytest.fixture
def demo(tmp_path):
    """Starts the command on a database of its own."""
    started = []

    def start(*arguments, **environment):
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH", "HOME"}}
        process = subprocess.Popen(
            [sys.executable, str(MANAGE), "demo", *arguments],
            env={**kept, "DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_until(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines) + process.stderr.read())


def address(said):
    return said.partition("The shop is open: ")[2].split()[0]


class Browser:
    """Keeps cookies, and sends forms as a page of the shop would."""

    def __init__(self, url):
        self.url = url
        self.cookies = CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))

    def get(self, path):
        return self.opener.open(urljoin(self.url, path), timeout=WAIT_SECONDS)

    def post(self, path, **fields):
        token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        body = urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
        asked = Request(urljoin(self.url, path), body, {"Accept": "application/json"})  # noqa: S310
        return self.opener.open(asked, timeout=WAIT_SECONDS)


def get(url, path="/"):
    connection = HTTPConnection(urlsplit(url).netloc, timeout=WAIT_SECONDS)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_stopped(demo, stop):
    process = demo("--port", "0")
    said = read_until(process, "Ctrl-C")
    for text in (
        "ada@example.com, password larkfield-ada",
        "staff@example.com",
        "offline:default",
        "run_agent",
    ):
        assert text in said
    url = address(said)
    assert f"assistant {url}ai/\n" in said
    status, page = get(url)
    assert status == 200
    assert "Larkfield" in page
    assert get(url, "/static/store/store.css")[0] == 200
    assert "Harbour Armchair" in get(url, "/products/?q=armchair")[1]
    status, page = get(url, "/nowhere/")
    assert (status, "There is nothing here" in page) == (404, True)
    begin = time.monotonic()
    process.send_signal(stop)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, err) == (0, "Not Found: /nowhere/\n")
    assert "Stopped." in out
    assert time.monotonic() - begin < 60


def test_open_stream_does_not_keep_it_from_stopping(demo):
    process = demo("--port", "0", RETINUE_OFFLINE_LATENCY="0")
    browser = Browser(address(read_until(process, "Ctrl-C")))
    browser.get("accounts/login/")
    browser.post("accounts/login/", username=STAFF.email, password=STAFF.password)
    browser.get("products/")
    prompt = "Set the price of heron-floor-lamp to 249.00"
    asked = json.load(browser.post("ai/ask/", prompt=prompt, agent="catalogue_helper"))
    stream = browser.get(asked["events"])
    while b'"status":"waiting"' not in stream.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("Stopped.\n")
    with pytest.raises(IncompleteRead):  # the run did not end
        stream.read()


def test_taken_port_is_one_sentence(demo):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = demo("--port", str(port))
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert err.strip() == (
        f"CommandError: Port {port} is taken: stop what listens on it, or choose another one with --port."
    )
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--port", "70000"), "'70000' is not a port"),
        (("--port", "http"), "'http' is not a port"),
        (("--port", "0", "--host", "192.0.2.1"), "Cannot listen on 192.0.2.1, port 0"),
        (("--port", "0", "--host", "no.such.host.invalid"), "There is no host 'no.such.host.invalid'"),
    ],
)
def test_bad_address_is_one_sentence(demo, arguments, sentence):
    process = demo(*arguments)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in {1, 2}
    assert sentence in err
    assert "Traceback" not in err


def test_does_not_run_without_debug(demo):
    process = demo("--port", "0", DJANGO_SETTINGS_MODULE="project.settings.testing")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert "it runs only with DEBUG on" in err
