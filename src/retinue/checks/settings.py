"""The keys of RETINUE, their types and values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, get_type_hints

from django.conf import settings as django_settings
from django.core import checks
from django.core.cache import caches
from django.db import connections
from django.utils.module_loading import import_string

from retinue.checks.budgets import check_budgets
from retinue.checks.providers import check_models, check_prsm
from retinue.checks.values import TAG, described, fits
from retinue.conf import Settings, get_settings, unknown_keys
from retinue.dispatcher import NAMES as DISPATCHERS

AT_LEAST_ONE = (
    "CONCURRENCY",
    "MAX_ATTEMPTS",
    "TOOL_THREADS",
    "MAX_PROMPT_CHARS",
    "MAX_DEPTH",
    "MAX_OUTPUT_TOKENS",
    "SESSION_HISTORY_TOKENS",
)


POSITIVE = (
    "POLL_SECONDS",
    "LEASE_SECONDS",
    "HEARTBEAT_SECONDS",
    "TOOL_TRANSACTION_SECONDS",
    "APPROVAL_TTL",
    "MODEL_TIMEOUT",
    "CREDITS_PER_USD",
    "SESSION_IDLE_DAYS",
    "EVENT_DAYS",
)


REDIS = ("redis", "rediss", "unix")
NOT_NEGATIVE = ("GRACE_SECONDS", "OFFLINE_LATENCY", "MODEL_RETRIES")


@checks.register(TAG)
def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """The keys of RETINUE, their types, their values, and what their paths name."""
    given = getattr(django_settings, "RETINUE", {}) or {}
    if not isinstance(given, dict):
        what = type(given).__name__
        return [checks.Error(f"RETINUE is a {what}.", hint="Make it a dict.", id="retinue.E002")]
    mistyped = list(_mistyped(given))
    if mistyped:  # what follows reads the values
        return [*_unknown_keys(), *mistyped]
    return [
        *_unknown_keys(),
        *_out_of_range(),
        *_unusable_paths(),
        *_events(),
        *_leases(),
        *check_models(),
        *check_prsm(),
        *check_budgets(),
    ]


def _unknown_keys() -> Iterator[checks.CheckMessage]:
    for key, near in unknown_keys().items():
        hint = f"Did you mean {near!r}?" if near else "Remove it."
        yield checks.Error(f"RETINUE has no key {key!r}.", hint=hint, id="retinue.E001")


def _mistyped(given: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    for name, annotation in get_type_hints(Settings).items():
        key = name.upper()
        if key in given and not fits(given[key], annotation):
            expected = f"Expected: {described(annotation)}."
            yield checks.Error(f"RETINUE[{key!r}] is {given[key]!r}.", hint=expected, id="retinue.E003")


def _out_of_range() -> Iterator[checks.CheckMessage]:
    rules: Sequence[tuple[Sequence[str], Callable[[Any], bool], str]] = (
        (AT_LEAST_ONE, lambda value: value >= 1, "at least 1"),
        (POSITIVE, lambda value: value > 0, "more than 0"),
        (NOT_NEGATIVE, lambda value: value >= 0, "0 or more"),
    )
    for keys, holds, words in rules:
        for key in keys:
            value = getattr(get_settings(), key.lower())
            if value is not None and not holds(value):
                hint = f"It must be {words}."
                yield checks.Error(f"RETINUE[{key!r}] is {value!r}.", hint=hint, id="retinue.E004")
    alias = get_settings().database
    if alias not in connections:
        hint = f"DATABASES has: {', '.join(connections)}."
        yield checks.Error(f"RETINUE['DATABASE'] is {alias!r}.", hint=hint, id="retinue.E004")
    if (cache := get_settings().cache) not in caches:
        hint = f"CACHES has: {', '.join(caches)}."
        yield checks.Error(f"RETINUE['CACHE'] is {cache!r}.", hint=hint, id="retinue.E004")


def _unusable_paths() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    if settings.dispatcher not in DISPATCHERS:  # Retinue's own import the engine, which takes a second
        short = " or ".join(map(repr, DISPATCHERS))
        hint = f"Name a subclass of retinue.dispatcher.Dispatcher by its dotted path, or use {short}."
        yield from _unusable("DISPATCHER", settings.dispatcher, ("dispatch",), hint)
    for path in settings.context:
        hint = "Each entry is the dotted path of a class."
        yield from _unusable("CONTEXT", path, ("capture", "restore"), hint)
    if settings.redact is not None:
        hint = "It is the dotted path of a function (kind, payload) -> payload."
        yield from _unusable("REDACT", settings.redact, ("__call__",), hint)


def _events() -> Iterator[checks.CheckMessage]:
    events = get_settings().events
    scheme, separator, _ = events.partition("://")
    if events not in ("auto", "poll") and not (separator and scheme in REDIS):
        # The address may hold a password.
        hint = "It must be 'auto', 'poll' or the URL of a Redis server, such as redis://localhost:6379/0."
        yield checks.Error("RETINUE['EVENTS'] says nothing that is known.", hint=hint, id="retinue.E004")
    elif separator and find_spec("redis") is None:
        hint = "pip install django-retinue[redis]"
        yield checks.Error("RETINUE['EVENTS'] names a Redis server.", hint=hint, id="retinue.E017")


def _unusable(key: str, path: str, needed: Sequence[str], hint: str) -> Iterator[checks.CheckMessage]:
    try:
        named = import_string(path)
    except ImportError as error:
        what = f"{path!r} cannot be imported: {error}"
        yield checks.Error(f"RETINUE[{key!r}]: {what}", hint=hint, id="retinue.E005")
        return
    lacking = [name for name in needed if not callable(getattr(named, name, None))]
    if lacking:
        yield checks.Error(f"RETINUE[{key!r}]: {path!r} has no {lacking[0]}().", hint=hint, id="retinue.E005")


def _leases() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    lease = settings.lease_seconds
    if settings.tool_transaction_seconds >= lease / 3:
        yield checks.Error(
            f"RETINUE['TOOL_TRANSACTION_SECONDS'] is {settings.tool_transaction_seconds:g}: not under a "
            f"third of LEASE_SECONDS, {lease:g}.",
            hint="On SQLite an open write transaction keeps heartbeats from writing: leases would be lost.",
            id="retinue.E006",
        )
    if settings.heartbeat_seconds > lease / 2:
        yield checks.Error(
            f"RETINUE['HEARTBEAT_SECONDS'] is {settings.heartbeat_seconds:g}: over half of LEASE_SECONDS, {lease:g}.",
            hint="Leases would run out between two heartbeats.",
            id="retinue.E006",
        )
