"""The agent that helps the staff with the catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field
from pydantic_ai import ApprovalRequired

from apps.products import lookup
from apps.products.agents.facts import found_product, in_full, listed, unknown
from apps.products.models import Product
from retinue import DjangoAgent, DjangoDeps, RunContext

FOUND = 10

_price = Product._meta.get_field("price")
# What a call may say is what the columns take, so that nobody is asked to approve what could not be stored.
Price = Annotated[Decimal, Field(ge=0, max_digits=_price.max_digits, decimal_places=_price.decimal_places)]
Stock = Annotated[int, Field(ge=0, le=2_147_483_647)]

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
def search_products(ctx: RunContext[DjangoDeps], query: str) -> dict[str, Any]:
    """Search the catalogue for products by name, description or category. The total, and the first ten.

    Args:
        query: Words to look for, such as "walnut table".
    """
    return listed(lookup.search(query, Product.objects.all(), FOUND), _summary)


@catalogue_helper.tool(effects="none")
def get_product(ctx: RunContext[DjangoDeps], product_id: str) -> dict[str, Any]:
    """Show everything about one product: its price, stock, status, description and ratings.

    Args:
        product_id: The product's id, slug or name.
    """
    found = found_product(product_id, Product.objects.select_related("category").with_stats())
    return {**_summary(found), **in_full(found)}


@catalogue_helper.tool(effects="none")
def low_stock(ctx: RunContext[DjangoDeps], limit: int = 10) -> dict[str, Any]:
    """List the published products that are sold out or running low in stock, the lowest first, and their total.

    Args:
        limit: How many products to list, 50 at most.
    """
    products = Product.objects.published().low_in_stock().order_by("stock", "name")
    return listed(lookup.first_of(products, max(1, min(limit, 50))), _summary)


@catalogue_helper.tool(permission="products.change_product")
def set_stock(ctx: RunContext[DjangoDeps], product_id: str, stock: Stock) -> str:
    """Set how many pieces of a product are in stock.

    Args:
        product_id: The product's id, slug or exact name.
        stock: The new number of pieces, 0 or more.
    """
    product = _product_to_change(product_id)
    before, product.stock = product.stock, stock
    product.save(update_fields=["stock"])
    return f"The stock of {product.name} is now {product.stock} (it was {before})."


@catalogue_helper.tool(permission="products.change_product")
def set_price(ctx: RunContext[DjangoDeps], product_id: str, price: Price) -> str:
    """Set or change the price of a product. A person has to approve it.

    Args:
        product_id: The product's id, slug or exact name.
        price: The new price, with at most two decimal places.
    """
    product = _product_to_change(product_id)
    if not ctx.tool_call_approved:  # not `approval=True`: nobody is asked about a product that is not there
        raise ApprovalRequired
    before, product.price = product.price, price
    product.save(update_fields=["price"])
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
