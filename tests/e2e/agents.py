"""The agent that the assistant's pages talk to."""

from __future__ import annotations

from typing import Any

from retinue import AUTHENTICATED, DjangoAgent, DjangoDeps, RunContext
from tests.e2e.model import model
from tests.shop.models import Product

Ctx = RunContext[DjangoDeps]

helper = DjangoAgent("helper", permission=AUTHENTICATED, model=model)


@helper.tool
def find_product(ctx: Ctx, name: str) -> dict[str, Any]:
    """Look a product up by its name."""
    product = Product.objects.get(name=name)
    return {"name": product.name, "price": str(product.price), "stock": product.stock}


@helper.tool(approval=True)
def set_stock(ctx: Ctx, name: str, stock: int) -> str:
    """Set how many pieces of a product are in stock."""
    Product.objects.filter(name=name).update(stock=stock)
    return f"The stock of {name} is now {stock}."


AGENTS: list[Any] = [helper]
