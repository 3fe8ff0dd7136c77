"""A short text that matches a regular expression, as far as that can be said simply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

_USUAL = "a0A-_ .@/#:"
_LONGEST = 200


@lru_cache(maxsize=256)
def example(pattern: str, least: int = 0, most: int | None = None) -> str | None:
    """A text of the wanted length that the pattern matches, or None where none was found."""
    try:
        parsed = import_module("re._parser").parse(pattern)
        for extra in range(min(least, _LONGEST) + 1):
            text = _sequence(parsed, extra)
            if least <= len(text) and (most is None or len(text) <= most) and re.search(pattern, text):
                return text
    except (re.error, ValueError, RecursionError, OverflowError):
        return None
    return None


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches; a pattern that Python cannot read matches nothing."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _sequence(parts: Sequence[Any], extra: int) -> str:
    """A text for a parsed sequence; `extra` is how often the first open repetition repeats beyond its least."""
    found = []
    for operation, argument in parts:
        text, extra = _part(str(operation), argument, extra)
        found.append(text)
    return "".join(found)


def _part(operation: str, argument: Any, extra: int) -> tuple[str, int]:
    match operation:
        case "LITERAL":
            return chr(argument), extra
        case "NOT_LITERAL":
            return next(letter for letter in _USUAL if letter != chr(argument)), extra
        case "ANY":
            return "a", extra
        case "IN":
            return _member(argument), extra
        case "BRANCH":
            return _sequence(argument[1][0], 0), extra
        case "SUBPATTERN":
            return _sequence(argument[3], 0), extra
        case "ATOMIC_GROUP":
            return _sequence(argument, 0), extra
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = argument
            count = min(least + extra, most, _LONGEST)
            return _sequence(inner, 0) * count, extra - (count - least)
        case _:  # anchors and assertions add no text; whether they hold is seen in the end
            return "", extra


def _member(items: Sequence[Any]) -> str:
    """A letter of a class, one that reads well if there is one."""
    if str(items[0][0]) == "NEGATE":
        return next((letter for letter in _USUAL if not _holds(items[1:], letter)), "~")
    usual = next((letter for letter in _USUAL if _holds(items, letter)), None)
    if usual is not None:
        return usual
    operation, argument = items[0]
    return chr(argument[0] if str(operation) == "RANGE" else argument)


def _holds(items: Sequence[Any], letter: str) -> bool:
    for operation, argument in items:
        kind = str(operation)
        if kind == "LITERAL" and chr(argument) == letter:
            return True
        if kind == "RANGE" and argument[0] <= ord(letter) <= argument[1]:
            return True
        if kind == "CATEGORY" and _in_category(str(argument), letter):
            return True
    return False


def _in_category(category: str, letter: str) -> bool:
    """Whether a letter is of a kind like `\\d`, or is not of it, like `\\D`."""
    kind = category.replace("NOT_", "")
    pattern = {"CATEGORY_DIGIT": r"\d", "CATEGORY_WORD": r"\w", "CATEGORY_SPACE": r"\s"}.get(kind)
    return pattern is not None and (re.match(pattern, letter) is not None) == (kind == category)
