"""Views that want no transaction around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connections, transaction


def detached(view: Callable[..., Any]) -> Callable[..., Any]:
    """Say so of a view: with `ATOMIC_REQUESTS`, Django refuses async views that do not."""
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view
