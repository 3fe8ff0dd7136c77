"""Values as every database and every client takes them."""

from __future__ import annotations

import math
import re
from typing import Any

_HALVES = re.compile("[\ud800-\udfff]")


def storable(value: Any) -> Any:
    """A JSON value without what some database cannot hold, or no client can read.

    NUL characters become U+2400, halves of surrogate pairs U+FFFD (a text keeps its length), and numbers that are not
    finite null.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


def _text(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "\u2400")
    return text if text.isascii() else _HALVES.sub("\ufffd", text)
