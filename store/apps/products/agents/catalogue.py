"""The agent that helps the staff with the catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from pydantic_ai import ModelRetry

from apps.products import lookup
from apps.products.agents.facts import found_product, in_full, unknown
from apps.products.models import Product
from retinue import DjangoAgent, DjangoDeps, RunContext

FOUND = 10

catalogue_helper = DjangoAgent[DjangoDeps, str](
    "catalogue_helper",
    description="Searches the catalogue, keeps the stock right, and changes prices once a person agrees.",
    instructions=(
        "You help the shop's staff with its catalogue. Look products up before you change them, "
        "change only what was asked for, and say plainly what you changed."
    ),
    permission="products.view_product",
    timeout=120,
)


@catalogue_helper.tool(effects="none")
def search_products(ctx: RunContext[DjangoDeps], query: str) -> list[dict[str, Any]]:
    """Search the catalogue for products by name, description or category. At most ten.

    Args:
        query: Words to look for, such as "walnut table".
    """
    return [_summary(product) for product in lookup.search(query, Product.objects.all())[:FOUND]]


@catalogue_helper.tool(effects="none")
def get_product(ctx: RunContext[DjangoDeps], product_id: str) -> dict[str, Any]:
    """Show everything about one product: its price, stock, status, description and ratings.

    Args:
        product_id: The product's id, slug or name.
    """
    found = found_product(product_id, Product.objects.select_related("category").with_stats())
    return {**_summary(found), **in_full(found)}


@catalogue_helper.tool(effects="none")
def low_stock(ctx: RunContext[DjangoDeps], limit: int = 10) -> list[dict[str, Any]]:
    """List the published products that are sold out or running low in stock, the lowest first.

    Args:
        limit: How many products to list, 50 at most.
    """
    products = Product.objects.published().low_in_stock().select_related("category")
    return [_summary(product) for product in products.order_by("stock", "name")[: max(1, min(limit, 50))]]


@catalogue_helper.tool(permission="products.change_product")
def set_stock(ctx: RunContext[DjangoDeps], product_id: str, stock: int) -> str:
    """Set how many pieces of a product are in stock.

    Args:
        product_id: The product's id, slug or exact name.
        stock: The new number of pieces, 0 or more.
    """
    product = _product_to_change(product_id)
    before = product.stock
    _set(product, "stock", stock)
    return f"The stock of {product.name} is now {product.stock} (it was {before})."


@catalogue_helper.tool(permission="products.change_product", approval=True)
def set_price(ctx: RunContext[DjangoDeps], product_id: str, price: Decimal) -> str:
    """Set or change the price of a product. A person has to approve it.

    Args:
        product_id: The product's id, slug or exact name.
        price: The new price, with at most two decimal places.
    """
    product = _product_to_change(product_id)
    before = product.price
    _set(product, "price", price)
    return f"The price of {product.name} is now {product.price} (it was {before})."


def _summary(product: Product) -> dict[str, Any]:
    return {
        "id": str(product.pk),
        "slug": product.slug,
        "name": product.name,
        "category": product.category.name,
        "price": str(product.price),
        "stock": product.stock,
        "status": product.get_status_display(),
    }


def _product_to_change(reference: str) -> Product:
    """The very product that is named, locked: what is changed is never a guess."""
    found = lookup.get_product(reference, Product.objects.select_for_update())
    if found is None:
        raise unknown(reference, Product.objects.all())
    return found


def _set(product: Product, name: str, value: object) -> None:
    """Change one field, by the rules of that field."""
    try:
        setattr(product, name, product._meta.get_field(name).clean(value, product))
    except ValidationError as error:
        raise ModelRetry(" ".join(error.messages)) from error
    product.save(update_fields=[name])
