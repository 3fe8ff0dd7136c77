"""Where arguments come from."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from tests.providers.offline.shop import first_call, set_price, set_stock

ID = "0031b76f-594e-4d59-9123-878cb052852f"


class Address(BaseModel):
    street: str
    city: str


def update_product(product_id: int, name: str | None = None, price: Decimal | None = None, stock: int = 0) -> None:
    """Update a product."""


def get_order(order_id: UUID) -> None:
    """Show an order."""


def get_page(slug: str) -> None:
    """Show a page."""


def set_status(order_id: int, status: Literal["new", "paid", "shipped"], notify: bool = False) -> None:
    """Set the status of an order."""


def get_weather(city: str, day: date | None = None, unit: Literal["celsius", "fahrenheit"] = "celsius") -> None:
    """Get the weather forecast for a city."""


def send_email(to: str, subject: str, body: str) -> None:
    """Send an email to someone."""


def list_orders(status: Literal["new", "paid"] | None = None, limit: int = 10, in_stock: bool = False) -> None:
    """List orders."""


def search_products(query: str, max_price: float | None = None, min_rating: int | None = None) -> None:
    """Search products."""


def tag_article(article_id: int, tags: list[str]) -> None:
    """Tag an article."""


def create_coupon(code: str, percent: int, valid_until: date, active: bool) -> None:
    """Create a coupon."""


def add_customer(name: str, email: str) -> None:
    """Add a customer."""


def create_shop(name: str, address: Address) -> None:
    """Create a shop."""


def add(a: float, b: float) -> None:
    """Add two numbers."""


def set_rating(product_id: int, rating: Annotated[int, Field(ge=1, le=5)]) -> None:
    """Set a product's rating."""


def ask_analyst(prompt: str) -> None:
    """Ask the analyst to judge a text."""


def compare_products(product_ids: list[int]) -> None:
    """Compare products."""


@pytest.mark.parametrize(
    ("prompt", "tool", "arguments"),
    [
        ("Set the price of product 17 to € 12.50", set_price, {"product_id": 17, "price": 12.5}),
        ("Set the price of product #17 to 12,50 €", set_price, {"product_id": 17, "price": 12.5}),
        ("Change product 17's price from 89 to 79.90", set_price, {"product_id": 17, "price": 79.9}),
        ("Set price of 17 to 1,299.00", set_price, {"product_id": 17, "price": 1299}),
        ("Please set the stock of product 17 to five.", set_stock, {"product_id": 17, "quantity": 5}),
        ("Set the price of product 17 to 5", update_product, {"product_id": 17, "price": 5}),
        ('Rename product 17 to "Bergen lamp"', update_product, {"product_id": 17, "name": "Bergen lamp"}),
        (
            "Update product 17: price 5.50, stock 3",
            update_product,
            {"product_id": 17, "price": 5.5, "stock": 3},
        ),
        (f"Show order {ID}", get_order, {"order_id": ID}),
        ("Show the page terms-of-use", get_page, {"slug": "terms-of-use"}),
        ("Set the status of order 5 to shipped", set_status, {"order_id": 5, "status": "shipped"}),
        ("Set the status of order 5 from new to paid", set_status, {"order_id": 5, "status": "paid"}),
        ("Set order 5 to paid, notify", set_status, {"order_id": 5, "status": "paid", "notify": True}),
        ("Weather in New York in fahrenheit", get_weather, {"city": "New York", "unit": "fahrenheit"}),
        ("What is the weather in Paris on 2026-03-04?", get_weather, {"city": "Paris", "day": "2026-03-04"}),
        ("What is the weather in Paris on 4 March 2026?", get_weather, {"city": "Paris", "day": "2026-03-04"}),
        (
            'Send an email to ann@example.com with the subject "Hi" saying "See you"',
            send_email,
            {"to": "ann@example.com", "subject": "Hi", "body": "See you"},
        ),
        (
            "Email ann@example.com: the lamp is ready.",
            send_email,
            {"to": "ann@example.com", "subject": "the lamp is ready", "body": "the lamp is ready."},
        ),
        ("List the top 5 paid orders", list_orders, {"status": "paid", "limit": 5}),
        ("List orders", list_orders, {}),
        ("List orders that are in stock", list_orders, {"in_stock": True}),
        ("List orders that are not in stock", list_orders, {"in_stock": False}),
        ("Which lamps cost under 60 €?", search_products, {"query": "lamp", "max_price": 60}),
        ("Find lamps with a rating of at least 4", search_products, {"query": "lamp", "min_rating": 4}),
        ('Search for "red lamps"', search_products, {"query": "red lamps"}),
        ("Search for Adidas shoes", search_products, {"query": "Adidas shoe"}),
        (
            "Add the tags python, web and orm to article 3",
            tag_article,
            {"article_id": 3, "tags": ["python", "web", "orm"]},
        ),
        (
            "Create a coupon SUMMER24 with 20 % valid until 2026-08-31, active",
            create_coupon,
            {"code": "SUMMER24", "percent": 20, "valid_until": "2026-08-31", "active": True},
        ),
        (
            "Add a customer Anna Berg, anna@example.com",
            add_customer,
            {"name": "Anna Berg", "email": "anna@example.com"},
        ),
        (
            "Create a shop called North, street: Main 1, city: Oslo",
            create_shop,
            {"name": "North", "address": {"street": "Main 1", "city": "Oslo"}},
        ),
        ("Add 2 and 3.5", add, {"a": 2, "b": 3.5}),
        ("Set the rating of product 17 to 4", set_rating, {"product_id": 17, "rating": 4}),
        ("Ask the analyst: is this a good lamp?", ask_analyst, {"prompt": "is this a good lamp?"}),
        ("Compare products 1, 2 and 3", compare_products, {"product_ids": [1, 2, 3]}),
    ],
)
def test_arguments_are_found(prompt: str, tool: Any, arguments: dict[str, Any]):
    assert first_call(prompt, tool) == arguments


@pytest.mark.parametrize(
    ("prompt", "tool"),
    [
        ("Set the price of product 17", set_price),
        ("Set the price to 5", set_price),
        ("Set the rating of product 17 to 9", set_rating),
        ("Send an email", send_email),
        ("Update product 17", update_product),
        ("Set the status of order 5 to lost", set_status),
        ("Create a coupon", create_coupon),
    ],
)
def test_what_is_not_said_is_not_made_up(prompt: str, tool: Any):
    assert first_call(prompt, tool) is None
