"""A small shop for the offline model to work in: its tools, and what an agent called."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import Tool

from retinue.providers.offline import OfflineModel

PRODUCTS: list[dict[str, Any]] = [
    {"id": 17, "name": "Oslo lamp", "price": "89.00", "stock": 4},
    {"id": 18, "name": "Oslo desk lamp", "price": "49.00", "stock": 0},
    {"id": 21, "name": "Bergen chair", "price": "129.00", "stock": 7},
]
REVIEWS = {
    17: [
        {"id": 1, "rating": 5, "text": "Beautiful lamp, great light."},
        {"id": 2, "rating": 2, "text": "Arrived broken and the cable is too short."},
    ],
    21: [{"id": 3, "rating": 4, "text": "Comfortable."}],
}


def search_products(query: str, max_price: float | None = None) -> list[dict[str, Any]]:
    """Search the catalogue by words in name or description."""
    found = [p for p in PRODUCTS if query.lower() in p["name"].lower()]
    return [p for p in found if max_price is None or float(p["price"]) <= max_price]


def get_product(product_id: int) -> dict[str, Any]:
    """Show one product with all its details."""
    return next(p for p in PRODUCTS if p["id"] == product_id)


def list_reviews(product_id: int) -> list[dict[str, Any]]:
    """List what customers wrote about a product."""
    return REVIEWS.get(product_id, [])


def list_categories() -> list[str]:
    """All categories."""
    return ["Lighting", "Furniture"]


def set_price(product_id: int, price: Decimal) -> str:
    """Set a product's price."""
    return f"The price of product {product_id} is now {price:.2f}."


def set_stock(product_id: int, quantity: int) -> str:
    """Set how many pieces of a product are in stock."""
    return f"Product {product_id} has a stock of {quantity}."


def rename_product(product_id: int, name: str) -> None:
    """Give a product another name."""


def delete_product(product_id: int) -> None:
    """Delete a product."""


def create_product(name: str, price: Decimal, stock: int = 0) -> dict[str, Any]:
    """Create a product."""
    return {"id": 99, "name": name, "price": str(price), "stock": stock}


TOOLS = (
    search_products,
    get_product,
    list_reviews,
    list_categories,
    set_price,
    set_stock,
    rename_product,
    delete_product,
    create_product,
)


def shop(*tools: Any, **options: Any) -> Agent[Any, Any]:
    """An agent of the offline model with these tools, or with all of the shop's."""
    return Agent(OfflineModel(), tools=[t if isinstance(t, Tool) else Tool(t) for t in tools or TOOLS], **options)


def called(messages: list[ModelMessage]) -> list[tuple[str, dict[str, Any]]]:
    """The calls in these messages, in order."""
    parts = [part for message in messages for part in message.parts if isinstance(part, ToolCallPart)]
    return [(part.tool_name, part.args_as_dict()) for part in parts]


def calls(prompt: str, *tools: Any, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    """What an agent calls for a prompt."""
    return called(shop(*tools, **options).run_sync(prompt).new_messages())


def first_call(prompt: str, tool: Any) -> dict[str, Any] | None:
    """The arguments of the first call of a tool, which is not carried out."""
    response = respond(prompt, tool)
    return json.loads(response.parts[0].args) if isinstance(response.parts[0], ToolCallPart) else None


def respond(prompt: str, *tools: Any) -> ModelResponse:
    """The model's first response to a prompt."""
    definitions = [Tool(tool).tool_def for tool in tools]
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(prompt)])]
    parameters = ModelRequestParameters(function_tools=definitions)
    return asyncio.run(OfflineModel().request(messages, None, parameters))
