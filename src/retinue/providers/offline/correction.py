"""Arguments and outputs that were refused, made right where the errors say how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from retinue.providers.offline.schema import Schema
from retinue.providers.offline.tool import Tool

_BOUNDS = {
    "greater_than": ("gt", "exclusiveMinimum"),
    "greater_than_equal": ("ge", "minimum"),
    "less_than": ("lt", "exclusiveMaximum"),
    "less_than_equal": ("le", "maximum"),
    "multiple_of": ("multiple_of", "multipleOf"),
    "string_too_short": ("min_length", "minLength"),
    "string_too_long": ("max_length", "maxLength"),
    "string_pattern_mismatch": ("pattern", "pattern"),
    "too_short": ("min_length", "minItems"),
    "too_long": ("max_length", "maxItems"),
}
_QUOTED = re.compile(r"'([^']*)'")


def corrected(arguments: dict[str, Any], errors: Sequence[dict[str, Any]], tool: Tool) -> dict[str, Any] | None:
    """The arguments with what was wrong put right or left out; None if a needed one cannot be put right."""
    fixed = dict(arguments)
    for error in errors:
        place = list(error.get("loc") or ())
        if not place or place[0] not in fixed:
            return None
        name = str(place[0])
        value = _retyped(fixed[name], str(error.get("type", "")))
        if len(place) == 1 and value is not None:
            fixed[name] = value
        elif name in tool.required:
            return None
        else:
            del fixed[name]
    return fixed if errors else None


def _retyped(value: Any, kind: str) -> Any:
    if kind.startswith("string") and kind.endswith("type") and isinstance(value, int | float):
        return str(value)
    if kind.startswith(("int", "float", "decimal")) and isinstance(value, str):
        match = re.search(r"-?\d+(?:\.\d+)?", value)
        return (float(match[0]) if "." in match[0] else int(match[0])) if match else None
    if kind.startswith("int") and isinstance(value, float):
        return round(value)
    return None


def demands(errors: Sequence[dict[str, Any]], names: Iterable[str]) -> dict[tuple[Any, ...], Schema]:
    """What the errors ask for beyond the schema, by place. `x-variation` asks for another value than before.

    An error in words only is about the output's fields (`names`) that it mentions.
    """
    found: dict[tuple[Any, ...], Schema] = {}
    for error in _placed(errors, tuple(names)):
        place = tuple(error.get("loc") or ())
        demanded = found.setdefault(place, {})
        kind, context = str(error.get("type", "")), error.get("ctx") or {}
        if kind in _BOUNDS and _BOUNDS[kind][0] in context:
            demanded[_BOUNDS[kind][1]] = context[_BOUNDS[kind][0]]
        elif kind in ("enum", "literal_error") and _QUOTED.findall(str(context.get("expected", ""))):
            demanded["enum"] = _QUOTED.findall(str(context["expected"]))
        else:
            demanded["x-variation"] = demanded.get("x-variation", 0) + 1
    return found


def _placed(errors: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for error in errors:
        if error.get("loc"):
            yield error
        else:
            said = set(re.findall(r"\w+", str(error.get("msg", ""))))
            yield from ({**error, "loc": [name]} for name in names if name in said)
