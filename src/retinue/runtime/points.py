"""Named places in the engine that a test can have the process die at. Nothing happens there otherwise."""

from __future__ import annotations

from collections.abc import Callable

BEFORE_JOURNAL_COMMIT = "before-journal-commit"
AFTER_JOURNAL_COMMIT = "after-journal-commit"
BEFORE_TOOL_COMMIT = "before-tool-commit"
AFTER_TOOL_COMMIT = "after-tool-commit"
AFTER_STARTED_MARK = "after-started-mark"
BEFORE_PARK = "before-park"
AFTER_PARK = "after-park"
RESUMED = "resumed"

ALL = (
    BEFORE_JOURNAL_COMMIT,
    AFTER_JOURNAL_COMMIT,
    BEFORE_TOOL_COMMIT,
    AFTER_TOOL_COMMIT,
    AFTER_STARTED_MARK,
    BEFORE_PARK,
    AFTER_PARK,
    RESUMED,
)

hook: Callable[[str], None] | None = None
"""Called with the point's name."""


def reach(point: str) -> None:
    if hook is not None:
        hook(point)
