"""The things in what tools returned."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic_ai.tools import Tool as PydanticTool

from retinue.providers.offline.conversation import Result
from retinue.providers.offline.prompt import clauses
from retinue.providers.offline.record import Record, matching, records
from retinue.providers.offline.text import concept
from retinue.providers.offline.tool import Tool
from tests.providers.offline.shop import PRODUCTS, list_reviews, search_products

TOOLS = [Tool.of(PydanticTool(tool).tool_def) for tool in (search_products, list_reviews)]


def found(content):
    return records([Result(tool="search_products", arguments={}, content=content)], TOOLS)


@pytest.mark.parametrize(
    ("values", "nouns", "parameter", "value"),
    [
        ({"id": 1}, ["product"], "id", 1),
        ({"id": 1}, ["product"], "product_id", 1),
        ({"pk": 1}, [], "product_id", 1),
        ({"id": 5, "product_id": 1}, ["review"], "product_id", 1),
        ({"id": 5, "product": {"id": 1}}, ["review"], "product_id", 1),
        ({"id": 5}, ["review"], "product_id", None),
        ({"id": 5}, ["product"], "sku", None),
        ({"sku": "A-1"}, ["product"], "sku", "A-1"),
    ],
)
def test_identify(values, nouns, parameter, value):
    assert Record(values, frozenset(map(concept, nouns))).identify(parameter) == value


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (PRODUCTS, [17, 18, 21]),
        ({"results": PRODUCTS[:1], "count": 1}, [17]),
        ({"product": "Oslo lamp", "reviews": [{"id": 1, "text": "Good."}]}, [1]),
        ("17: Oslo lamp", [17]),
        ("Oslo lamp (id 17), Bergen chair", [17]),
        ("Nothing found.", []),
        ([], []),
        (None, []),
        ("All is well.", []),
    ],
)
def test_records(content, ids):
    assert [record.values.get("id") for record in found(content)] == ids


def test_failed_calls_hold_no_records():
    assert records([Result(tool="x", arguments={}, content={"id": 1}, outcome="failed")], TOOLS) == []


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("the Oslo lamp", ["Oslo lamp"]),
        ("the desk lamp", ["Oslo desk lamp"]),
        ("the lamp", ["Oslo lamp", "Oslo desk lamp"]),
        ("all lamps", ["Oslo lamp", "Oslo desk lamp"]),
        ("the cheapest lamp", ["Oslo desk lamp"]),
        ("the most expensive product", ["Bergen chair"]),
        ("the second one", ["Oslo desk lamp"]),
        ("the last one", ["Bergen chair"]),
        ('"oslo lamp"', ["Oslo lamp"]),
    ],
)
def test_matching(prompt, names):
    (clause,) = clauses(prompt, datetime(2026, 3, 1, tzinfo=UTC))
    exclude = frozenset(TOOLS[0].nouns)
    assert [record.name for record in matching(clause, found(PRODUCTS), exclude)] == names


def test_numbers_by_name():
    record = Record({"review_id": 9, "unit_price": "89.00 €", "rating": 4, "open": True}, frozenset())
    assert (record.number("price"), record.number("rating"), record.number("open")) == (89, 4, None)
