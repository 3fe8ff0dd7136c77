"""Answers in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent

from retinue.providers.offline import OfflineModel
from tests.providers.offline.shop import shop

LAMPS = """\
| Id | Name | Price | Stock |
| --- | --- | --- | --- |
| 17 | Oslo lamp | 89.00 | 4 |
| 18 | Oslo desk lamp | 49.00 | 0 |"""


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Which lamps do you have?", f"I found 2 products for “lamp”:\n\n{LAMPS}"),
        (
            "What is the cheapest lamp?",
            f"The cheapest: Oslo desk lamp (price 49.00). I found 2 products for “lamp”:\n\n{LAMPS}",
        ),
        ("Find sofas", "I found no products for “sofa”."),
        ("What categories are there?", "I found 2 categories:\n\n- Lighting\n- Furniture"),
        (
            "Show me product 21",
            "This is the product:\n\n- **Id**: 21\n- **Name**: Bergen chair\n- **Price**: 129.00\n- **Stock**: 7",
        ),
        (
            "How much does the Bergen chair cost?",
            "The price of Bergen chair is 129.00.\n\n"
            "| Id | Name | Price | Stock |\n| --- | --- | --- | --- |\n| 21 | Bergen chair | 129.00 | 7 |",
        ),
        ("Delete product 17", "Done: delete product (product id 17)."),
        (
            "Create a product called Narvik shelf with price 45,50 and stock 12",
            "Done: create product (name Narvik shelf, price 45.5, stock 12).\n\n"
            "- **Id**: 99\n- **Name**: Narvik shelf\n- **Price**: 45.5\n- **Stock**: 12",
        ),
        (
            "Delete product 17 and set the price of product 18 to 5",
            "Done: delete product (product id 17).\n\nThe price of product 18 is now 5.00.",
        ),
    ],
)
def test_results_are_told(prompt, answer):
    assert shop().run_sync(prompt).output == answer


def test_limits_hold_where_the_tool_knows_none():
    def search_products(query: str) -> list[dict[str, Any]]:
        """Search products."""
        return [{"name": "One", "price": 10}, {"name": "Two", "price": 99.5}]

    answer = shop(search_products).run_sync("Find lamps under 50 €").output
    assert answer == (
        "I found 1 product for “lamp” with a price of at most 50:\n\n| Name | Price |\n| --- | --- |\n| One | 10 |"
    )


def test_long_tables_are_cut():
    def list_numbers() -> list[dict[str, int]]:
        """List numbers."""
        return [{"number": n} for n in range(30)]

    answer = shop(list_numbers).run_sync("List the numbers").output
    assert answer.startswith("I found 30 numbers:\n\n| Number |\n| --- |\n| 0 |")
    assert answer.endswith("| 19 |\n\n… and 10 more.")


FIRST = "| Name | Price |\n| --- | --- |\n| One | 10 |"


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Find lamps", f"I found 7 products for “lamp”:\n\n{FIRST}\n| Two | 99.5 |\n\n… and 5 more."),
        (
            "What is the cheapest lamp?",
            "The cheapest of the first 2: One (price 10). "
            f"I found 7 products for “lamp”:\n\n{FIRST}\n| Two | 99.5 |\n\n… and 5 more.",
        ),
        (
            "Find lamps under 50 €",
            f"I found 1 product for “lamp” with a price of at most 50 among the first 2 of 7:\n\n{FIRST}",
        ),
    ],
)
@pytest.mark.parametrize("total", ["total", "count"])
def test_first_of_many_are_told_as_such(prompt, answer, total):
    def search_products(query: str) -> dict[str, Any]:
        """Search products."""
        return {total: 7, "products": [{"name": "One", "price": 10}, {"name": "Two", "price": 99.5}]}

    assert shop(search_products).run_sync(prompt).output == answer


def test_first_of_many_texts_are_told_as_such():
    def list_categories() -> dict[str, Any]:
        """List categories."""
        return {"count": 4, "next": 2, "results": ["Lighting", "Furniture"]}

    answer = shop(list_categories).run_sync("List the categories").output
    assert answer == "I found 4 categories:\n\n- Lighting\n- Furniture\n- … and 2 more"


def test_total_of_something_else_counts_nothing():
    def list_items() -> dict[str, Any]:
        """List the items of the order."""
        return {"order": "A-7", "total": 90, "items": [{"name": "Lamp"}, {"name": "Chair"}]}

    answer = shop(list_items).run_sync("List the items").output
    assert answer == "I found 2 items:\n\n| Name |\n| --- |\n| Lamp |\n| Chair |"


@pytest.mark.parametrize(
    ("returned", "answer"),
    [
        ("All is well.", "All is well."),
        (42, "Count visits: 42."),
        (None, "I found no visits."),
        ({"visits": 3, "open": True}, "This is the visit:\n\n- **Visits**: 3\n- **Open**: yes"),
        ({"count": 0, "results": []}, "I found no visits."),
    ],
)
def test_values_of_any_kind_are_told(returned, answer):
    def count_visits() -> Any:
        """Count the visits."""
        return returned

    assert shop(count_visits).run_sync("How many visits?").output == answer


INTRODUCTION = "I am Retinue’s offline model: I answer by rules and word lists, without a language model."
HINT = 'For real answers, name a model in your settings, for example `RETINUE = {"MODEL": "openai:gpt-5-mini"}`.'


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Hello", f"Hello!\n\n{INTRODUCTION}\n\n{HINT}"),
        ("Thank you!", f"You are welcome!\n\n{INTRODUCTION}\n\n{HINT}"),
        ("Who are you?", f"{INTRODUCTION}\n\n{HINT}"),
        (
            "The parcel came late and the lamp inside was broken.",
            f"{INTRODUCTION}\n\nYour text has 10 words in 1 sentence. It speaks of parcel, lamp, inside. "
            f"Its tone is negative.\n\n{HINT}",
        ),
        (
            "Summarise this: The lamp is tall. The lamp is red. Rain is wet.",
            f"The lamp is tall. The lamp is red.\n\n{INTRODUCTION}",
        ),
        (
            "What is the tone of this text: I love it, it is great",
            "The tone is positive (confidence 0.76). Judged by a list of words. Praise: love, great. Blame: none."
            f"\n\n{INTRODUCTION}",
        ),
        ("Count the words: one two three four", f"Your text has 4 words in 1 sentence.\n\n{INTRODUCTION}"),
        ("Keywords of this text: apples and pears, apples", f"Keywords: apples, pears.\n\n{INTRODUCTION}"),
    ],
)
def test_without_tools_it_says_who_it_is(prompt, answer):
    assert Agent(OfflineModel()).run_sync(prompt).output == answer


def test_where_no_tool_fits_it_says_what_there_is():
    def set_price(product_id: int, price: float) -> None:
        """Set a product's price."""

    assert shop(set_price).run_sync("Hello").output == (
        f"Hello!\n\n{INTRODUCTION}\n\nI found no tool that fits your message. I can:\n"
        f"- set price: Set a product's price\n\n{HINT}"
    )
