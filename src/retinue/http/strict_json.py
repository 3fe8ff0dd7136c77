"""JSON from clients, as every database takes it."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also for what only Python calls JSON.

    That is a number without an end (`NaN`, `1e999`), half a surrogate pair, and what is nested too deep.
    """
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("Nested too deep.") from None
    return value
