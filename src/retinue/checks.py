"""System checks: a wrong setting is said here, with what to do, not in a crash later.

retinue.E001  an unknown key in RETINUE
retinue.E002  RETINUE is not a dict
retinue.E003  a value of the wrong type
retinue.E004  a value out of its range
retinue.E005  something that a dotted path names cannot be used
retinue.E006  TOOL_TRANSACTION_SECONDS or HEARTBEAT_SECONDS too long for LEASE_SECONDS
retinue.E007  SQLite without the options that this work needs (under DEBUG: retinue.W007)
retinue.E008  an entry of MODELS or a price that cannot be used

With `check --deploy`, and when a worker starts (these load the agents):

retinue.W010  the offline model answers in production
retinue.E011  the agents cannot be loaded, or two have one name
retinue.W012  a permission that the site does not have
retinue.W013  a model that cannot be used
retinue.W014  an agent whose model has no known price, where a budget of money applies
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_permission_codename
from django.core import checks
from django.core.cache import caches
from django.db import DatabaseError, InterfaceError, connections
from django.utils.module_loading import import_string

from retinue.budgets.units import Span, Unit
from retinue.conf import Settings, get_settings, unknown_keys
from retinue.dispatcher import NAMES as DISPATCHERS
from retinue.errors import ConfigurationError, DuplicateAgent, InvalidInput
from retinue.providers.aliases import alias_circles, alias_problems, price_problems
from retinue.providers.prsm.settings import KEYS as PRSM_KEYS
from retinue.providers.prsm.settings import PRSMSettings
from retinue.types import GUEST, USER

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent

TAG = "retinue"
AT_LEAST_ONE = ("CONCURRENCY", "MAX_ATTEMPTS", "TOOL_THREADS", "MAX_PROMPT_CHARS", "MAX_DEPTH", "MAX_OUTPUT_TOKENS")
POSITIVE = (
    "POLL_SECONDS",
    "LEASE_SECONDS",
    "HEARTBEAT_SECONDS",
    "TOOL_TRANSACTION_SECONDS",
    "APPROVAL_TTL",
    "MODEL_TIMEOUT",
    "CREDITS_PER_USD",
)
NOT_NEGATIVE = ("GRACE_SECONDS", "OFFLINE_LATENCY", "MODEL_RETRIES")
SQLITE_OPTIONS = """\
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "timeout": 20,
    },"""
SQLITE_TIMEOUT = 5.0
"""What Python's sqlite3 takes where nothing is said."""


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
    return [*_unknown_keys(), *_out_of_range(), *_unusable_paths(), *_leases(), *_models(), *_prsm(), *_budgets()]


@checks.register(TAG)
def check_sqlite(**kwargs: Any) -> list[checks.CheckMessage]:
    """SQLite locks out other writers, and gives up on them, unless it is told otherwise."""
    alias = _setting("DATABASE")
    if alias not in connections or connections[alias].vendor != "sqlite":
        return []
    missing = _missing_options(connections[alias].settings_dict)
    if not missing:
        return []
    kind, code = (checks.Warning, "W007") if django_settings.DEBUG else (checks.Error, "E007")
    return [
        kind(
            f"DATABASES[{alias!r}] is SQLite without {', '.join(missing)}: what works at the same time would "
            "fail with “database is locked”.",
            hint=f"Have this in DATABASES[{alias!r}]:\n{SQLITE_OPTIONS}",
            id=f"retinue.{code}",
        )
    ]


@checks.register(TAG, deploy=True)
def check_offline_model(**kwargs: Any) -> list[checks.CheckMessage]:
    """The offline model follows rules; a site that means it silences this."""
    if django_settings.DEBUG or not get_settings().model.startswith("offline:"):
        return []
    return [
        checks.Warning(
            f"Agents that name no model are answered by {get_settings().model!r}, which follows rules and is "
            "no language model.",
            hint='Set RETINUE["MODEL"], for instance to "openai:gpt-5-mini".',
            id="retinue.W010",
        )
    ]


@checks.register(TAG, deploy=True)
def check_agents(**kwargs: Any) -> list[checks.CheckMessage]:
    """The agents of the site: their names, permissions and models."""
    from retinue.agents.registry import all_agents

    try:
        agents = all_agents()
    except DuplicateAgent as error:
        return [checks.Error(str(error), id="retinue.E011")]
    except Exception as error:  # whatever a site's module may raise
        what = f"{type(error).__name__}: {error}"
        return [checks.Error(f"The agents cannot be loaded: {what}", id="retinue.E011")]
    return [*_unknown_permissions(agents), *_unusable_models(agents)]


# --- RETINUE


def _unknown_keys() -> Iterator[checks.CheckMessage]:
    for key, near in unknown_keys().items():
        hint = f"Did you mean {near!r}?" if near else "Remove it."
        yield checks.Error(f"RETINUE has no key {key!r}.", hint=hint, id="retinue.E001")


def _mistyped(given: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    for name, annotation in get_type_hints(Settings).items():
        key = name.upper()
        if key in given and not _fits(given[key], annotation):
            expected = f"Expected: {_described(annotation)}."
            yield checks.Error(f"RETINUE[{key!r}] is {given[key]!r}.", hint=expected, id="retinue.E003")


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of the type that an annotation of `Settings` says."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is dict:
        return isinstance(value, dict)
    if origin in (list, tuple):
        return isinstance(value, origin) and all(_fits(item, parts[0]) for item in value)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(annotation, type) or isinstance(value, annotation)


def _described(annotation: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "True or False", NoneType: "None"}
    names[Decimal] = "a Decimal"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(map(_described, parts))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is dict:
        return "a dict"
    if origin in (list, tuple):
        of = " of texts" if parts[0] is str else " of dicts" if get_origin(parts[0]) is dict else ""
        return f"a {origin.__name__}{of}"
    return names.get(annotation, str(annotation))


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


def _models() -> Iterator[checks.CheckMessage]:
    """What MODELS, PRICES and UNKNOWN_PRICE say."""
    settings = get_settings()
    problems = [problem for name, given in settings.models.items() for problem in alias_problems(name, given)]
    problems += alias_circles(settings.models)
    for name, price in settings.prices.items():
        problems += price_problems(f"RETINUE['PRICES'][{name!r}]", price)
    if isinstance(settings.unknown_price, dict):
        problems += price_problems("RETINUE['UNKNOWN_PRICE']", settings.unknown_price)
    for problem in problems:
        yield checks.Error(problem, id="retinue.E008")


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


def _prsm() -> Iterator[checks.CheckMessage]:
    given, types = get_settings().prsm, get_type_hints(PRSMSettings)
    for key, value in given.items():
        annotation = types.get(str(key).lower()) if str(key).isupper() else None
        place = f"RETINUE['PRSM'][{key!r}]"
        if annotation is None:
            near = next(iter(get_close_matches(str(key).upper(), PRSM_KEYS, 1)), "")
            hint = f"Did you mean {near!r}?" if near else "Remove it."
            yield checks.Error(f"RETINUE['PRSM'] has no key {key!r}.", hint=hint, id="retinue.E001")
        elif not _fits(value, annotation):
            shown = "not a text" if key == "API_KEY" else repr(value)
            yield checks.Error(f"{place} is {shown}.", hint=f"Expected: {_described(annotation)}.", id="retinue.E003")
        elif key == "DEFAULT_TIMEOUT" and not value > 0:
            yield checks.Error(f"{place} is {value!r}.", hint="It must be more than 0.", id="retinue.E004")
        elif key in ("MAX_RETRIES", "CACHE_TTL") and value < 0:
            yield checks.Error(f"{place} is {value!r}.", hint="It must be 0 or more.", id="retinue.E004")


def _budgets() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    if not settings.credits_name.strip():
        hint = "It must be a name."
        yield checks.Error(f"RETINUE['CREDITS_NAME'] is {settings.credits_name!r}.", hint=hint, id="retinue.E004")
    seen = set()
    for number, budget in enumerate(settings.default_budgets):
        place = f"RETINUE['DEFAULT_BUDGETS'][{number}]"
        problems = list(_default_budget(place, budget))
        yield from problems
        if problems:
            continue
        identity = budget.get("owner", USER), budget["unit"], budget.get("period", Span.MONTH.value)
        if identity in seen:
            hint = "Only one of a unit and period can be made for an owner."
            yield checks.Error(f"{place} is there twice.", hint=hint, id="retinue.E004")
        seen.add(identity)


def _default_budget(place: str, budget: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    choices = {"owner": [USER, GUEST], "unit": Unit.values, "period": Span.values}
    for key in budget:
        if key not in (*choices, "limit"):
            near = next(iter(get_close_matches(str(key).lower(), (*choices, "limit"), 1)), "")
            hint = f"Did you mean {near!r}?" if near else "Remove it."
            yield checks.Error(f"{place} has no key {key!r}.", hint=hint, id="retinue.E001")
    for key, known in choices.items():
        if key in budget and budget[key] not in known:
            near = next(iter(get_close_matches(str(budget[key]).lower(), known, 1)), "")
            hint = f"Did you mean {near!r}?" if near else f"Expected: {' or '.join(map(repr, known))}."
            yield checks.Error(f"{place}[{key!r}] is {budget[key]!r}.", hint=hint, id="retinue.E004")
    for key in ("unit", "limit"):
        if key not in budget:
            yield checks.Error(f"{place} has no {key!r}.", hint="Say it.", id="retinue.E003")
    if "limit" in budget and budget.get("unit") in Unit.values:
        yield from _limit(f"{place}['limit']", budget["limit"], Unit(budget["unit"]))


def _limit(place: str, limit: Any, unit: Unit) -> Iterator[checks.CheckMessage]:
    if isinstance(limit, bool) or not isinstance(limit, int | float | Decimal | str):
        yield checks.Error(f"{place} is {limit!r}.", hint="Expected: a number.", id="retinue.E003")
        return
    try:
        hint = "It must be 0 or more." if unit.to_steps(str(limit)) < 0 else ""
    except InvalidInput as error:
        hint = str(error)
    if hint:
        yield checks.Error(f"{place} is {limit!r}.", hint=hint, id="retinue.E004")


# --- SQLite


def _setting(key: str) -> Any:
    """A value of RETINUE, or its default while RETINUE itself is wrong: that is said elsewhere."""
    given = getattr(django_settings, "RETINUE", {})
    default = getattr(Settings, key.lower())
    value = given.get(key, default) if isinstance(given, dict) else default
    return value if _fits(value, get_type_hints(Settings)[key.lower()]) else default


def _missing_options(database: dict[str, Any]) -> list[str]:
    name, options = str(database["NAME"]), database.get("OPTIONS", {})
    if name == ":memory:" or "mode=memory" in name:
        return []  # of one process only, as Django's test runner makes it
    missing = []
    if str(options.get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        missing.append("transaction_mode IMMEDIATE")
    if not re.search(r"journal_mode\s*=\s*['\"]?wal\b", str(options.get("init_command", "")), re.IGNORECASE):
        missing.append("journal_mode WAL")
    longest = _setting("TOOL_TRANSACTION_SECONDS")
    if not options.get("timeout", SQLITE_TIMEOUT) > longest:
        missing.append(f"a timeout over {longest:g} seconds")
    return missing


# --- agents


def _unknown_permissions(agents: dict[str, DjangoAgent[Any, Any]]) -> Iterator[checks.CheckMessage]:
    wanted = {permission for agent in agents.values() for permission in agent.wanted}
    missing = _not_in_table(wanted - _declared_permissions())
    for agent in agents.values():
        for permission in missing.intersection(agent.wanted):
            yield checks.Warning(
                f"The agent {agent.name!r} asks for the permission {permission!r}, which does not exist.",
                hint="A permission is named 'app_label.codename', for instance 'shop.change_product'.",
                id="retinue.W012",
            )


def _declared_permissions() -> set[str]:
    """What the models of the site declare, migrated or not."""
    found: set[str] = set()
    for model in apps.get_models():
        options = model._meta
        codes = [get_permission_codename(action, options) for action in options.default_permissions]
        codes += [code for code, _ in options.permissions]
        found.update(f"{options.app_label}.{code}" for code in codes)
    return found


def _not_in_table(names: set[str]) -> set[str]:
    """Those that nobody made by hand, either. While the database is away nothing is held against them."""
    from django.contrib.auth.models import Permission

    def exists(name: str) -> bool:
        app_label, _, codename = name.partition(".")
        return Permission.objects.filter(content_type__app_label=app_label, codename=codename).exists()

    try:
        return {name for name in names if not exists(name)}
    except (DatabaseError, InterfaceError):
        return set()


def _unusable_models(agents: dict[str, DjangoAgent[Any, Any]]) -> Iterator[checks.CheckMessage]:
    from retinue.providers.resolve import resolve_model

    for name in get_settings().models:
        try:
            resolve_model(name)
        except ConfigurationError as error:
            yield checks.Warning(str(error), id="retinue.W013")
    for agent in agents.values():
        try:
            model: Any = agent.choose_model(None, resolve_model) or agent.model
        except ConfigurationError as error:
            yield checks.Warning(f"The agent {agent.name!r}: {error}", id="retinue.W013")
            continue
        if unit := _unpriced(model):
            yield checks.Warning(
                f"The agent {agent.name!r}: nobody knows what its model {model.model_id!r} costs in {unit}, and a "
                "budget in it applies: it would not run.",
                hint="Declare a price in RETINUE['PRICES'], or for all such models in RETINUE['UNKNOWN_PRICE'].",
                id="retinue.W014",
            )


def _unpriced(model: Any) -> str:
    """In what this model's price is not known although there are budgets in it; empty where there is none."""
    from pydantic_ai.models import Model, ModelRequestParameters

    from retinue.budgets.units import Unit
    from retinue.providers.prices import bound

    if not isinstance(model, Model):
        return ""
    worst = bound(model, [], None, ModelRequestParameters())
    unknown = [unit for unit, most in ((Unit.USD, worst.cost), (Unit.CREDITS, worst.charge)) if most is None]
    return next((str(unit.shown) for unit in unknown if unit in _budgeted_units()), "")


def _budgeted_units() -> set[str]:
    """The units in which there are budgets; those of DEFAULT_BUDGETS only while the database is away."""
    from retinue.budgets.models import Budget

    units = {str(budget.get("unit")) for budget in get_settings().default_budgets}
    with suppress(DatabaseError, InterfaceError):
        units |= set(Budget.objects.filter(is_active=True).order_by().values_list("unit", flat=True).distinct())
    return units
