"""Somebody who looks at the site with a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.test import Client

from tests.e2e.browsing import BrowserThread, Remote, expect
from tests.waiting import WAIT_SECONDS

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
WATCH = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


class Visitor:
    """A browser context with one tab at a time, and a list of everything in it that should not have been."""

    def __init__(
        self,
        browser: BrowserThread,
        url: str,
        user: Any = None,
        *,
        size: dict[str, int] = DESKTOP,
        dark: bool = False,
        scripts: bool = True,
    ) -> None:
        self.url = url
        self.problems: list[str] = []
        self._browser = browser
        self.context: Remote = browser.browser.new_context(
            base_url=url,
            viewport=size,
            has_touch=size == PHONE,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            java_script_enabled=scripts,
            locale="en-US",
            timezone_id="UTC",
        )
        self.context.set_default_timeout(WAIT_SECONDS * 1000)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.context.add_init_script(WATCH)
        if user is not None:
            self.become(user)
        self.page: Remote = self._new_page()

    def become(self, user: Any) -> None:
        """Log in as that user, and as nobody else any more."""
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": _session(user), "url": self.url}
        self.context.add_cookies([cookie])

    def open(self, path: str) -> Remote:
        """Go there; give the tab."""
        self.page.goto(path)
        return self.page

    def reopen(self, path: str) -> Remote:
        """Go there in a new tab."""
        self.page.close()
        self.page = self._new_page()
        return self.open(path)

    def hold(self, pattern: str) -> Callable[[], None]:
        """Have the tab's requests to such addresses wait; gives what lets them and all later ones pass."""
        held: list[Any] = []
        is_over: list[bool] = []

        def keep(route: Any) -> None:
            if is_over:
                route.continue_()
            else:
                held.append(route)

        def release() -> None:
            is_over.append(True)
            while held:
                self._browser.call(held.pop().continue_)

        self.page.route(pattern, keep)
        return release

    def forgive(self, *fragments: str) -> None:
        """Forget the problems with such a text: the test made them."""
        self._settle()
        self.problems[:] = [p for p in self.problems if not any(fragment in p for fragment in fragments)]

    def close(self) -> list[str]:
        """Close the browser; give what went wrong in it."""
        self._settle()
        self.context.close()
        return self.problems

    def __getitem__(self, test_id: str) -> Remote:
        """The elements of the tab with this test id."""
        return self.page[test_id]

    def ask(self, prompt: str) -> None:
        """Put a question into the chat and send it."""
        self["composer-input"].fill(prompt)
        self["send"].click()

    def turn(self, index: int = -1) -> Remote:
        """A question with its answer, the last one unless said otherwise."""
        turns = self["turn"]
        return turns.last if index == -1 else turns.nth(index)

    def sees(self, status: str, answer: str, index: int = -1) -> None:
        """Wait until a turn is in that state and, at the same moment, its answer says just this."""
        turn = self.turn(index).and_(self.page.locator(f"[data-status={status}]"))
        # Not those of earlier versions, which are in it, too.
        expect(turn.locator("> [data-testid=answer]")).to_have_text(answer)

    def _new_page(self) -> Remote:
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("dialog", self._refuse)
        return page

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self._note(f"{message.text} ({message.location['url']})")

    def _refuse(self, dialog: Any) -> None:
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note(self, problem: str) -> None:
        self.problems.append(problem)

    def _settle(self) -> None:
        """Have what the browser has said so far arrive."""
        if not self.page.is_closed():
            self.page.title()


def _session(user: Any) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
