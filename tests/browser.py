"""A Chromium for the tests: the machine's own, or one that is installed for them.

    python -m tests.browser     # says where it is; installs one where there is none (`make test` does this)

`CHROMIUM` in the environment names another program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


class NoBrowser(Exception):
    """There is no Chromium for the browser tests: install one (`apt-get install chromium` as root on Debian, \
`python -m playwright install --with-deps chromium` elsewhere), or set CHROMIUM to the path of one."""

    def __str__(self) -> str:
        return str(self.__doc__)


@cache
def find() -> str:
    """The path of a browser that starts. Raises NoBrowser."""
    named = os.environ.get("CHROMIUM")
    for candidate in (named,) if named else (*map(shutil.which, NAMES), _of_playwright()):
        if candidate and _starts(candidate):
            return candidate
    raise NoBrowser


def install() -> str:
    """Find a browser, or install one: Debian's where that can be done, else Playwright's. Raises NoBrowser."""
    try:
        return find()
    except NoBrowser:
        if os.environ.get("CHROMIUM"):
            raise  # what it names is for its owner to mend
    for attempt in (_by_apt(), _by_playwright("--with-deps"), _by_playwright()):
        if all(_runs(*command) for command in attempt):
            try:
                return find()
            except NoBrowser:
                continue
    raise NoBrowser


def _of_playwright() -> str:
    # In a process of its own: Playwright runs an event loop, which this thread may not want.
    script = "from playwright.sync_api import sync_playwright as p\nwith p() as p: print(p.chromium.executable_path)"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def _starts(path: str) -> bool:
    """Whether it is more than a name: Ubuntu's `chromium-browser` only says where to find another package."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def _by_apt() -> list[list[str]]:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    return [[*root, "apt-get", "update", "-qq"], [*root, "apt-get", "install", "-qq", "-y", "chromium"]]


def _by_playwright(*options: str) -> list[list[str]]:
    return [[sys.executable, "-m", "playwright", "install", *options, "chromium"]]


def _runs(*command: str) -> bool:
    """Whether a command is there and ends well; what it prints is only of interest where it does not."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError:
        return False
    if done.returncode:
        sys.stderr.write(f"{' '.join(command)}:\n{done.stdout[-2000:]}\n")
    return done.returncode == 0


if __name__ == "__main__":
    try:
        sys.stdout.write(f"Browser: {install()}\n")
    except NoBrowser as error:
        sys.exit(str(error))
