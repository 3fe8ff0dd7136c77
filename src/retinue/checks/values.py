"""What a value of a setting may be."""

from __future__ import annotations

from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

TAG = "retinue"


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of the type that an annotation of `Settings` says."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is dict:
        return isinstance(value, dict) and all(fits(k, parts[0]) and fits(v, parts[1]) for k, v in value.items())
    if origin in (list, tuple):
        return isinstance(value, origin) and all(fits(item, parts[0]) for item in value)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return annotation is Any or isinstance(value, annotation)


def described(annotation: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "True or False", NoneType: "None"}
    names[Decimal] = "a Decimal"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(map(described, parts))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is dict:
        return "a dict" if parts[1] is Any else f"a dict, each value of which is {described(parts[1])}"
    if origin in (list, tuple):
        of = " of texts" if fits("", parts[0]) else " of dicts" if get_origin(parts[0]) is dict else ""
        return f"a {origin.__name__}{of}"
    return names.get(annotation, str(annotation))
