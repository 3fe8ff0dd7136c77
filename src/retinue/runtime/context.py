"""What a run inherits from its caller beside its deps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from django.utils import timezone, translation
from django.utils.module_loading import import_string

from retinue.conf import get_settings
from retinue.types import JSON

T = TypeVar("T")


class ContextHook(Protocol):
    """Captures a JSON value when an execution is made, and restores it when it runs.

    Where it has an attribute `is_input = False`, the value does not matter for whether two requests with the same
    idempotency key are the same.
    """

    def capture(self) -> JSON: ...

    def restore(self, value: JSON) -> AbstractContextManager[Any]: ...


class Language:
    """The caller's language and time zone."""

    is_input = False

    def capture(self) -> JSON:
        return [translation.get_language(), timezone.get_current_timezone_name()]

    @contextmanager
    def restore(self, value: JSON) -> Iterator[None]:
        language, zone = value
        with translation.override(language), timezone.override(zone):
            yield


def capture() -> dict[str, JSON]:
    """What the hooks of `RETINUE["CONTEXT"]` say of the caller's context."""
    return {path: _hook(path).capture() for path in get_settings().context}


def inputs(captured: dict[str, JSON]) -> dict[str, JSON]:
    """What of it tells one request from another."""
    known = get_settings().context
    return {
        path: value for path, value in captured.items() if path not in known or getattr(_hook(path), "is_input", True)
    }


@contextmanager
def restored(captured: dict[str, JSON]) -> Iterator[None]:
    """Run with what was captured."""
    with ExitStack() as stack:
        for path in get_settings().context:
            if path in captured:
                stack.enter_context(_hook(path).restore(captured[path]))
        yield


def call_restored(captured: dict[str, JSON], fn: Callable[[], T]) -> T:
    """Call a function of a run, on whatever thread: threads have locals of their own."""
    with restored(captured):
        return fn()


@lru_cache(maxsize=32)
def _hook(path: str) -> ContextHook:
    return import_string(path)()  # type: ignore[no-any-return]
