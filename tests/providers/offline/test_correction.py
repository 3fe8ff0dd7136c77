"""What errors say, put right."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.tools import Tool as PydanticTool

from retinue.providers.offline.correction import corrected, demands
from retinue.providers.offline.tool import Tool


def find(query: str, limit: int = 10) -> None:
    """Find things."""


FIND = Tool.of(PydanticTool(find).tool_def)


@pytest.mark.parametrize(
    ("arguments", "errors", "fixed"),
    [
        ({"query": "a", "limit": 90}, [{"type": "less_than", "loc": ["limit"], "ctx": {"lt": 50}}], {"query": "a"}),
        ({"query": 5}, [{"type": "string_type", "loc": ["query"]}], {"query": "5"}),
        ({"query": "a", "limit": "3 or so"}, [{"type": "int_parsing", "loc": ["limit"]}], {"query": "a", "limit": 3}),
        ({"query": "a"}, [{"type": "value_error", "loc": ["query"]}], None),
        ({"query": "a"}, [{"type": "message", "loc": [], "msg": "No."}], None),
        ({}, [{"type": "missing", "loc": ["query"]}], None),
        ({"query": "a"}, [], None),
    ],
)
def test_arguments_are_corrected(arguments: dict[str, Any], errors: list[dict[str, Any]], fixed: dict[str, Any] | None):
    assert corrected(arguments, errors, FIND) == fixed


@pytest.mark.parametrize(
    ("errors", "demanded"),
    [
        ([{"type": "greater_than", "loc": ["n"], "ctx": {"gt": 3}}], {("n",): {"exclusiveMinimum": 3}}),
        ([{"type": "literal_error", "loc": ["c"], "ctx": {"expected": "'a' or 'b'"}}], {("c",): {"enum": ["a", "b"]}}),
        ([{"type": "value_error", "loc": ["a", 0]}] * 2, {("a", 0): {"x-variation": 2}}),
        ([{"type": "message", "loc": [], "msg": "The colour is wrong."}], {("colour",): {"x-variation": 1}}),
        ([{"type": "message", "loc": [], "msg": "No."}], {}),
    ],
)
def test_demands(errors, demanded):
    assert demands(errors, ["colour", "size"]) == demanded
