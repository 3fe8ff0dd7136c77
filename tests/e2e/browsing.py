"""Playwright in a thread of its own.

Its synchronous API runs an event loop in the thread that uses it. There, Django would refuse to touch the database,
and other tests could run no loop of theirs. So every call is made in a thread that does nothing else:

    page = browser.new_context().new_page()     # a `Remote` of Playwright's page
    page.goto(url)
    expect(page["answer"]).to_have_text("Seven.")    # by its data-testid
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import Playwright, sync_playwright
from playwright.sync_api import expect as playwright_expect

from tests import browser
from tests.waiting import WAIT_SECONDS


class BrowserThread:
    """One browser and its thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="browser")
        self._playwright: Playwright = self._thread.submit(lambda: sync_playwright().start()).result()
        try:
            self.browser = self.call(
                self._playwright.chromium.launch, executable_path=browser.find(), args=list(browser.FLAGS)
            )
        except BaseException:
            self.close()
            raise

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What the function gives there; of Playwright's objects, their remotes."""
        args = tuple(_local(value) for value in args)
        kwargs = {name: _local(value) for name, value in kwargs.items()}
        return self._remote(self._thread.submit(function, *args, **kwargs).result())

    def close(self) -> None:
        """Stop Playwright, and with it the browser."""
        self._thread.submit(self._playwright.stop).result()
        self._thread.shutdown()

    def _remote(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._remote(each) for each in value]
        if callable(value):
            return lambda *args, **kwargs: self.call(value, *args, **kwargs)
        return Remote(self, value) if type(value).__module__.startswith("playwright.") else value


class Remote:
    """Stands for one of Playwright's objects, whose thread is another one."""

    def __init__(self, thread: BrowserThread, local: Any) -> None:
        self._thread = thread
        self._local = local

    def __getattr__(self, name: str) -> Any:
        return self._thread.call(getattr, self._local, name)

    def __getitem__(self, test_id: str) -> Remote:
        """What is in it with this test id (`data-testid`)."""
        return self.get_by_test_id(test_id)

    def __enter__(self) -> Any:
        return self._thread.call(self._local.__enter__)

    def __exit__(self, *args: Any) -> Any:
        return self._thread.call(self._local.__exit__, *args)


def expect(remote: Remote) -> Any:
    """Playwright's assertions, which wait."""
    playwright_expect.set_options(timeout=WAIT_SECONDS * 1000)
    return remote._thread.call(playwright_expect, remote)


def _local(value: Any) -> Any:
    return value._local if isinstance(value, Remote) else value
