"""The shop's agents: one reads what customers say, one looks after the catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from django.core.exceptions import ValidationError
from pydantic import BaseModel, Field
from pydantic_ai import ModelRetry

from apps.products import lookup
from apps.products.models import Product
from apps.products.querysets import ProductQuerySet
from retinue import DjangoAgent, DjangoDeps, RunContext
from retinue.agents import AUTHENTICATED

REVIEWS_READ = 20
FOUND = 10
LOW_STOCK = 5


class Analysis(BaseModel):
    """The tone of what customers say, and what they talk about."""

    sentiment: Literal["positive", "neutral", "negative"]
    keywords: list[str] = Field(max_length=10, description="What the text is about, the most important first.")
    confidence: float = Field(ge=0, le=1, description="How sure the judgement is: 0 to 1.")


content_analyzer = DjangoAgent[DjangoDeps, Analysis](
    "content_analyzer",
    description="Says how customers feel about a product, or about any text, and what they talk about.",
    output_type=Analysis,
    instructions=(
        "Judge the tone of what customers say, and pick its keywords. "
        "Where the question is about a product of the shop, read its reviews first and judge those; "
        "otherwise judge the text itself."
    ),
    permission=AUTHENTICATED,
    timeout=60,
)


@content_analyzer.tool(effects="none")
def get_reviews(ctx: RunContext[DjangoDeps], product: str) -> dict[str, Any]:
    """Read what customers say in their reviews about a product, newest first.

    Args:
        product: The product's name, slug or id.
    """
    found = lookup.find_product(product, Product.objects.published())
    if found is None:
        return {"product": None, "reviews": [], "note": "The shop has no product of that name."}
    reviews = found.reviews.select_related("user")[:REVIEWS_READ]
    return {
        "product": found.name,
        "reviews": [{"rating": r.rating, "title": r.title, "text": r.text, "author": r.author} for r in reviews],
    }


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
    everything = Product.objects.select_related("category")
    query = query.replace("\x00", "")
    found = list(everything.search(query).order_by("name")[:FOUND]) or lookup.nearest(query, everything)[:FOUND]
    return [_summary(product) for product in found]


@catalogue_helper.tool(effects="none")
def get_product(ctx: RunContext[DjangoDeps], product_id: str) -> dict[str, Any]:
    """Show everything about one product: its price, stock, status, description and ratings.

    Args:
        product_id: The product's id, slug or name.
    """
    products = Product.objects.select_related("category").with_stats()
    found = lookup.find_product(product_id, products)
    if found is None:
        raise _unknown(product_id, products)
    return {
        **_summary(found),
        "description": found.description,
        "review_count": found.review_count,
        "avg_rating": None if found.avg_rating is None else round(found.avg_rating, 2),
    }


@catalogue_helper.tool(effects="none")
def low_stock(ctx: RunContext[DjangoDeps], limit: int = 10) -> list[dict[str, Any]]:
    """List the published products that are sold out or running low in stock, the lowest first.

    Args:
        limit: How many products to list, 50 at most.
    """
    products = Product.objects.published().filter(stock__lte=LOW_STOCK).select_related("category")
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
    products = Product.objects.select_for_update()
    found = lookup.get_product(reference, products)
    if found is None:
        raise _unknown(reference, Product.objects.all())
    return found


def _set(product: Product, name: str, value: object) -> None:
    """Change one field, by the rules of that field."""
    try:
        setattr(product, name, product._meta.get_field(name).clean(value, product))
    except ValidationError as error:
        raise ModelRetry(" ".join(error.messages)) from error
    product.save(update_fields=[name])


def _unknown(reference: str, among: ProductQuerySet) -> ModelRetry:
    near = lookup.near_names(reference, among)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Search the catalogue for it."
    return ModelRetry(f"There is no product {reference!r}. {hint}")
