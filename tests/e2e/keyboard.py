"""Going through a page with nothing but a keyboard."""

from __future__ import annotations

from tests.e2e.browsing import Remote

REACH = 150
"""How many presses of Tab are enough to come past everything on a page."""
FOCUSED = """
() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const marked = style.outlineStyle !== "none" || style.boxShadow !== "none";
    const named = element.matches("summary") && !element.dataset.testid ? element.parentElement : element;
    return [named.dataset.testid ?? element.name ?? "", marked];
}
"""


class Keyboard:
    """Fingers that find what has the focus by its test id, or else by its name."""

    def __init__(self, page: Remote) -> None:
        self._page = page

    def reach(self, name: str) -> None:
        """Press Tab until that has the focus; it must be seen that it has."""
        for _ in range(REACH):
            self.press("Tab")
            focused, marked = self._page.evaluate(FOCUSED)
            if focused == name:
                assert marked, f"Nobody sees that {name} has the focus."
                return
        raise AssertionError(f"{name} cannot be reached with Tab.")

    def press(self, key: str, at: str | None = None) -> None:
        """Press a key, there where given."""
        if at is not None:
            self.reach(at)
        self._page.keyboard.press(key)

    def type(self, text: str, at: str | None = None) -> None:
        if at is not None:
            self.reach(at)
        self._page.keyboard.type(text)
