"""Values bent to fit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter

from retinue.providers.offline.value import fit, nearest, simplest

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "schema", "fitting"),
    [
        (7, {"type": "integer", "maximum": 5}, 5),
        (2.6, {"type": "integer"}, 3),
        (0, {"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 0.5),
        (7, {"type": "number", "multipleOf": 2.5}, 7.5),
        (True, {"type": "integer"}, None),
        ("A long sentence", {"type": "string", "maxLength": 8}, "A long…"),
        ("short", {"type": "string", "minLength": 8}, None),
        ("x", {"type": "string", "pattern": r"^\d$"}, None),
        ("x", {"type": "string", "format": "uuid"}, None),
        ("red", {"enum": ["red", "blue"]}, "red"),
        ("green", {"enum": ["red", "blue"]}, None),
        (1, {"enum": [True, 1]}, 1),
    ],
)
def test_fit(value, schema, fitting):
    found = fit(value, schema)
    assert (found, type(found)) == (fitting, type(fitting))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "words"),
        ({"type": "string", "minLength": 8}, "words..."),
        ({"type": "string", "format": "date"}, "2026-03-01"),
        ({"type": "string", "format": "date-time"}, "2026-03-01T09:30:00Z"),
        ({"type": "string", "format": "email"}, "someone0@example.com"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "number", "maximum": -1}, -1),
        ({"type": "boolean"}, False),
        ({"const": "x"}, "x"),
    ],
)
def test_simplest(schema, value):
    assert simplest(schema, "words", AT, "") == value


def test_simplest_of_several_differ():
    assert [simplest({"type": "integer"}, "", AT, "", n) for n in range(3)] == [0, 1, 2]
    assert len({simplest({"type": "string", "format": "uuid"}, "", AT, "place", n) for n in range(3)}) == 3


@st.composite
def bounded(draw: st.DrawFn) -> Any:
    bounds: dict[str, Any] = {}
    low = draw(st.integers(-100, 100))
    if draw(st.booleans()):
        bounds[draw(st.sampled_from(["ge", "gt"]))] = low
    if draw(st.booleans()):
        bounds[draw(st.sampled_from(["le", "lt"]))] = low + draw(st.integers(11, 50))
    kind = draw(st.sampled_from([int, float]))
    if draw(st.booleans()):
        bounds["multiple_of"] = draw(st.sampled_from([1, 2, 5] if kind is int else [0.5, 1, 2.5]))
    return Annotated[kind, Field(**bounds)]


@settings(max_examples=500, deadline=None)
@given(bounded(), st.floats(-1e6, 1e6))
def test_nearest_is_allowed(kind, value):
    adapter = TypeAdapter(kind)
    adapter.validate_python(nearest(value, adapter.json_schema()))
