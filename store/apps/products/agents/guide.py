"""The agent that shows visitors around: it reads what the shop's pages show to everybody, and nothing else."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from apps.products import lookup
from apps.products.agents.facts import found_product, in_full, listed, quoted
from apps.products.models import Product
from apps.products.querysets import ProductQuerySet
from retinue import DjangoAgent, DjangoDeps, RunContext
from retinue.agents import PUBLIC

FOUND = 8
QUOTED = 3

shop_guide = DjangoAgent[DjangoDeps, str](
    "shop_guide",
    description="Finds products, says what is in stock, and sums up what customers think of them.",
    instructions=(
        "You help visitors of Larkfield, a shop for house and garden, to find what suits them. "
        "Say only what your tools tell you about products, prices and stock; where they tell nothing, say so. "
        "Where they list only the first of many, say how many there are. "
        "Name products with their price, and give the link to their page. "
        "You cannot order, change or promise anything."
    ),
    permission=PUBLIC,
    timeout=60,
)


@shop_guide.tool(effects="none")
def search_products(ctx: RunContext[DjangoDeps], query: str) -> dict[str, Any]:
    """Search the shop for products by name, description or category. The total, and the first eight.

    Args:
        query: Words to look for, such as "walnut table".
    """
    return listed(lookup.search(query, _shown(), FOUND), _summary)


@shop_guide.tool(effects="none")
def get_product(ctx: RunContext[DjangoDeps], product: str) -> dict[str, Any]:
    """Show the details of one product: its price, description and ratings, and whether it is in stock.

    Args:
        product: The product's name or slug.
    """
    found = found_product(product, _shown().with_stats())
    return {**_summary(found), **in_full(found)}


@shop_guide.tool(effects="none")
def find_stocked_products(ctx: RunContext[DjangoDeps], query: str = "") -> dict[str, Any]:
    """Find products that are available in stock now. The total, and the first eight.

    Args:
        query: Words to look for, such as "chairs"; left empty, the cheapest of all.
    """
    products = _shown().in_stock()
    if query.strip():
        return listed(lookup.search(query, products, FOUND), _summary)
    return listed(lookup.first_of(products.order_by("price", "name"), FOUND), _summary)


@shop_guide.tool(effects="none")
def summarise_reviews(ctx: RunContext[DjangoDeps], product: str) -> dict[str, Any]:
    """Summarise what customers say in the reviews of a product: how they rate it, and the newest opinions.

    Args:
        product: The product's name or slug.
    """
    found = found_product(product, _shown().with_stats())
    counts = found.reviews.rating_counts()
    return {
        "name": found.name,
        "review_count": found.review_count,
        "avg_rating": in_full(found)["avg_rating"],
        "ratings": {f"{rating} stars": count for rating, count in counts.items()},
        "newest": quoted(found, QUOTED),
    }


def _shown() -> ProductQuerySet:
    return Product.objects.published().select_related("category")


def _summary(product: Product) -> dict[str, Any]:
    return {
        "name": product.name,
        "category": product.category.name,
        "price": str(product.price),
        "availability": product.availability,
        "page": f"[{gettext('See it')}]({product.get_absolute_url()})",
    }
