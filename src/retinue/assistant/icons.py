"""The icons of the pages: drawn with lines in a square of 24 units, coloured like the text around them."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

PATHS = {
    "send": "M12 19V5M5 12l7-7 7 7",
    "stop": "M7 7h10v10H7z",
    "edit": "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
    "again": "M4 12a8 8 0 1 1 2.5 5.8M4 20v-5h5",
    "copy": "M9 9h11v11H9zM15 9V4H4v11h5",
    "up": "M7 11v9H4v-9zM7 11l4-7a2 2 0 0 1 2 2v4h6l-1.5 8.5A2 2 0 0 1 15.5 20H7",
    "down": "M7 13V4H4v9zM7 13l4 7a2 2 0 0 0 2-2v-4h6l-1.5-8.500A2 2 0 0 0 15.5 4H7",
    "down-arrow": "M12 5v14M5 12l7 7 7-7",
    "tool": "M14.5 6a4 4 0 0 1 5 5L11 19.5 4.5 13l3-3 4 4M4.5 13 4 20l7-.5",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "more": "M5 11.5v1M12 11.5v1M19 11.5v1M4.5 12h1M11.5 12h1M18.5 12h1",
    "close": "M6 6l12 12M18 6L6 18",
    "new": "M12 5v14M5 12h14",
    "search": "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4",
    "theme": "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
    "history": "M12 7v5l3 2M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z",
    "chat": "M4 5h16v11H10l-5 4v-4H4z",
    "list": "M8 7h12M8 12h12M8 17h12M4 7h.01M4 12h.01M4 17h.01",
    "account": "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM5 20a7 7 0 0 1 14 0",
}


def icon(name: str) -> SafeString:
    """The icon as markup. It says nothing to a screen reader: what carries it needs a name."""
    return format_html(
        '<svg class="rt-icon" viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor"'
        ' stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
        '<path d="{}"/></svg>',
        mark_safe(PATHS[name]),  # noqa: S308 (a constant)
    )
