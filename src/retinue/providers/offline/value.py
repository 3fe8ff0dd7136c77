"""Values that a JSON schema allows: one that is wanted, bent until it fits, or the simplest there is."""

from __future__ import annotations

import math
import re
from datetime import datetime
from fractions import Fraction
from hashlib import blake2b
from typing import Any
from uuid import UUID

from retinue.providers.offline.pattern import example, matches
from retinue.providers.offline.schema import Schema, choices, type_of
from retinue.providers.offline.text import shorten

_FORMS = {
    "date": r"\d{4}-\d\d-\d\d",
    "date-time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*",
    "time": r"\d\d:\d\d(:\d\d)?.*",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "email": r"[\w.+-]+@[\w-]+(\.[\w-]+)+",
    "uri": r"[a-zA-Z][\w+.-]*://\S+",
}
_EXAMPLES = {
    "time": "12:00:00",
    "duration": "P{n}D",
    "email": "someone{n}@example.com",
    "idn-email": "someone{n}@example.com",
    "name-email": "someone{n}@example.com",
    "uri": "https://example.com/{n}",
    "iri": "https://example.com/{n}",
    "uri-reference": "https://example.com/{n}",
    "multi-host-uri": "https://example.com/{n}",
    "hostname": "host{n}.example.com",
    "ipv4": "192.0.2.{n}",
    "ipv6": "2001:db8::{n}",
    "ipvanyaddress": "192.0.2.{n}",
    "ipv4network": "192.0.{n}.0/24",
    "ipv6network": "2001:db8:{n}::/48",
    "ipvanynetwork": "192.0.{n}.0/24",
    "ipv4interface": "192.0.2.{n}/24",
    "ipv6interface": "2001:db8::{n}/48",
    "ipvanyinterface": "192.0.2.{n}/24",
    "json-string": "{n}",
    "base64": "AAAA",
    "base64url": "AAAA",
    "color": "black",
    "json-pointer": "/{n}",
    "regex": ".{n}",
    "path": "{n}",
}


def fit(value: Any, schema: Schema) -> Any:
    """A value bent until a schema (without alternatives) allows it, or None where that cannot be."""
    offered = choices(schema)
    if offered is not None:
        return next((o for o in offered if o == value and isinstance(o, bool) == isinstance(value, bool)), None)
    type_ = type_of(schema)
    if type_ in ("integer", "number"):
        numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return nearest(value, schema) if numeric else None
    if type_ == "string":
        return _fit_text(value, schema)
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    return value if type_ == "any" else None


def _fit_text(value: Any, schema: Schema) -> str | None:
    if isinstance(value, bool | dict | list) or value is None:
        return None
    text = str(value)
    most = schema.get("maxLength")
    if most is not None and len(text) > most:
        text = shorten(text, most)
    if len(text) < schema.get("minLength", 0) or len(text) > (len(text) if most is None else most):
        return None
    if "pattern" in schema and not matches(schema["pattern"], text):
        return None
    format_ = schema.get("format")
    if format_ in _FORMS:
        return text if re.fullmatch(_FORMS[format_], text) else None
    return None if format_ in _EXAMPLES else text


def nearest(value: float, schema: Schema) -> int | float:
    """The allowed number next to a value."""
    step = _step(schema)
    low, high = _limits(schema)
    if step is None:
        return _between(value, schema, low, high)
    least = None if low is None else math.ceil(Fraction(low) / step)
    most = None if high is None else math.floor(Fraction(high) / step)
    if least is not None and schema.get("exclusiveMinimum") == low and least * step == low:
        least += 1
    if most is not None and schema.get("exclusiveMaximum") == high and most * step == high:
        most -= 1
    count = round(Fraction(value) / step)
    count = count if most is None else min(count, most)
    count = count if least is None else max(count, least)
    found = count * step
    return int(found) if found.denominator == 1 else float(found)


def _step(schema: Schema) -> Fraction | None:
    """Of what a number must be a multiple."""
    given = schema.get("multipleOf")
    step = Fraction(str(given)) if given else None
    if type_of(schema) != "integer":
        return step
    return Fraction(step.numerator) if step else Fraction(1)


def _limits(schema: Schema) -> tuple[Any, Any]:
    """The tightest lower and upper bound."""
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if schema.get(key) is not None]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if schema.get(key) is not None]
    return max(lows, default=None), min(highs, default=None)


def _between(value: float, schema: Schema, low: float | None, high: float | None) -> int | float:
    above = low is None or value > low or (value == low and schema.get("exclusiveMinimum") != low)
    below = high is None or value < high or (value == high and schema.get("exclusiveMaximum") != high)
    if above and below:
        return value
    if low is not None and high is not None:
        edge = low if not above else high
        inner = edge not in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
        return edge if inner else low / 2 + high / 2
    edge = low if low is not None else high if high is not None else value
    if edge not in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")):
        return edge
    direction = 1 if low is not None else -1
    return edge + direction if edge + direction != edge else math.nextafter(edge, direction * math.inf)


def simplest(schema: Schema, phrase: str, at: datetime, place: str, n: int = 0) -> Any:
    """The simplest value of a schema without alternatives; the `n`th of them where several are needed.

    `phrase` is what a text says that nothing else is known of, `place` tells one id from another.
    """
    offered = choices(schema)
    if offered is not None:
        return offered[n % len(offered)]
    match type_of(schema):
        case "integer" | "number":
            step = _step(schema) or 1
            low, high = _limits(schema)
            start = low if low is not None and low > 0 else high if high is not None and high < 0 else 0
            sign = -1 if high is not None and high <= 0 and low is None else 1
            return nearest(float(Fraction(start) + sign * n * step) if n else start, schema)
        case "string":
            return _simplest_text(schema, phrase, at, place, n)
        case "boolean":
            return bool(n % 2)
        case "null":
            return None
        case _:
            return phrase if not n else f"{phrase} {n}"


def _simplest_text(schema: Schema, phrase: str, at: datetime, place: str, n: int) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        fitting = fit(phrase, schema) if not n else None
        found = fitting or example(schema["pattern"], least + n, most) or example(schema["pattern"], least, most)
        if found is not None:
            return str(found)
    if (format_ := schema.get("format")) is not None and (found := _of_format(format_, at, place, n)) is not None:
        return found
    text = f"{phrase} {n}" if n else phrase
    if most is not None and len(text) > most:
        text = f"{n or ''}{shorten(phrase, max(most - len(str(n or '')), 0))}"[:most]
    return text.ljust(least, ".")


def _of_format(format_: str, at: datetime, place: str, n: int) -> str | None:
    if format_ == "date":
        return datetime.fromordinal(at.toordinal() + n).date().isoformat()
    if format_ == "date-time":
        return f"{datetime.fromordinal(at.toordinal() + n).date().isoformat()}T{at:%H:%M:%S}Z"
    if format_.startswith("uuid"):
        digest = blake2b(f"{place} {n}".encode(), digest_size=16).digest()
        return str(UUID(bytes=digest, version=int(format_[4:] or 4)))
    if format_ == "time":
        return f"12:{n % 60:02}:00"
    return _EXAMPLES[format_].replace("{n}", str(n)) if format_ in _EXAMPLES else None
