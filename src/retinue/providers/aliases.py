"""The site's own names for models: what `RETINUE["MODELS"]` says, and what a declared price may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from retinue.errors import ConfigurationError
from retinue.providers.rates import PER_MILLION

KEYS = ("model", "models", "timeout", "retries", "settings", "base_url", "api_key_env", "price")
PRICE_KEYS = (*PER_MILLION, "request")


@dataclass(frozen=True, kw_only=True)
class Alias:
    """What one name stands for."""

    name: str
    models: tuple[str, ...]
    """Names of models, or other aliases, in the order in which they are asked."""
    timeout: float | None = None
    retries: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    base_url: str = ""
    api_key_env: str = ""
    price: Mapping[str, Any] | None = None


def read_alias(name: str, given: Any) -> Alias:
    """What `RETINUE["MODELS"]` says of a name. Raises ConfigurationError for the first thing that is wrong."""
    for problem in alias_problems(name, given):
        raise ConfigurationError(problem)
    if isinstance(given, str):
        return Alias(name=name, models=(given,))
    rest = {key: value for key, value in given.items() if key not in ("model", "models")}
    return Alias(name=name, models=tuple(given.get("models") or [given["model"]]), **rest)


def alias_problems(name: str, given: Any) -> Iterator[str]:
    """What is wrong with an entry of `RETINUE["MODELS"]`, each in a sentence."""
    where = f"RETINUE['MODELS'][{name!r}]"
    if isinstance(given, str):
        return
    if not isinstance(given, dict):
        yield f"{where} is {given!r}: neither the name of a model nor a dict."
        return
    yield from _unknown_keys(where, given, KEYS)
    if ("model" in given) == ("models" in given):
        yield f"{where} must have either 'model' or 'models'."
    for key, expected, fits in _RULES:
        if key in given and not fits(given[key]):
            yield f"{where}[{key!r}] is {given[key]!r}: it must be {expected}."
    if "models" in given and {"base_url", "api_key_env"} & given.keys():
        yield f"{where} has 'base_url' or 'api_key_env': they go with one 'model'."
    if "price" in given:
        yield from price_problems(f"{where}['price']", given["price"])


def price_problems(where: str, given: Any) -> Iterator[str]:
    """What is wrong with a declared price, each in a sentence."""
    if not isinstance(given, dict):
        yield f"{where} is {given!r}: it must be a dict."
        return
    yield from _unknown_keys(where, given, PRICE_KEYS)
    tokens = {"input", "output"} & given.keys()
    if len(tokens) == 1 or not (tokens or "request" in given):
        yield f"{where} must have 'input' and 'output', or 'request'."
    for key, value in given.items():
        if not _is_amount(value):
            yield f'{where}[{key!r}] is {value!r}: it must be an amount of US dollars, such as "0.25".'


def alias_circles(models: Mapping[str, Any]) -> Iterator[str]:
    """Names that lead to themselves, each in a sentence."""
    for name in models:
        if (path := _path_back(name, (), models)) is not None:
            yield f"RETINUE['MODELS'][{name!r}] leads to itself: {' → '.join(path)}."


def _path_back(name: str, path: tuple[str, ...], models: Mapping[str, Any]) -> tuple[str, ...] | None:
    path = (*path, name)
    for target in _targets(models[name]):
        if target == path[0]:
            return (*path, target)
        if target in models and target not in path and (found := _path_back(target, path, models)) is not None:
            return found
    return None


def _targets(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, dict):
        return []
    models = given.get("models") or [given.get("model")]
    return [model for model in models if isinstance(model, str)] if isinstance(models, list | tuple) else []


def _unknown_keys(where: str, given: Mapping[Any, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in given:
        if key not in keys:
            near = get_close_matches(str(key), keys, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            yield f"{where} has no key {key!r}.{hint}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_amount(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return False
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        return False
    return amount.is_finite() and amount >= 0


_RULES = (
    ("model", "the name of a model", _is_text),
    ("models", "a list of names of models", lambda v: isinstance(v, list | tuple) and v and all(map(_is_text, v))),
    ("timeout", "a number of seconds, more than 0", lambda v: _is_number(v) and v > 0),
    ("retries", "a whole number, 0 or more", lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0),
    ("settings", "a dict of pydantic-ai's model settings", lambda v: isinstance(v, dict)),
    (
        "base_url",
        "an address that begins with http:// or https://",
        lambda v: _is_text(v) and v.startswith(("http://", "https://")),
    ),
    ("api_key_env", "the name of an environment variable", _is_text),
)
