"""What the agents' tools tell a model about products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_ai import ModelRetry

from apps.products import lookup
from apps.products.lookup import Found
from apps.products.models import Product
from apps.products.querysets import ProductQuerySet


def found_product(reference: str, among: ProductQuerySet) -> Product:
    """The product that is meant. Raises ModelRetry, which names near ones."""
    found = lookup.find_product(reference, among)
    if found is None:
        raise unknown(reference, among)
    return found


def unknown(reference: str, among: ProductQuerySet) -> ModelRetry:
    """What a model is told that asks for a product that is not there."""
    near = lookup.near_names(reference, among)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Search the catalogue for it."
    return ModelRetry(f"There is no product {reference!r}. {hint}")


def listed(found: Found, summary: Callable[[Product], dict[str, Any]]) -> dict[str, Any]:
    """Products in brief, with how many there are in all: a model is never left to take the first for all."""
    return {"total": found.total, "products": [summary(product) for product in found.first]}


def in_full(product: Product) -> dict[str, Any]:
    """The description and the ratings; the product comes from `with_stats()`."""
    return {
        "description": product.description,
        "review_count": product.review_count,
        "avg_rating": None if product.avg_rating is None else round(product.avg_rating, 2),
    }


def quoted(product: Product, number: int) -> list[dict[str, Any]]:
    """The newest reviews, each with its author as others may read it."""
    reviews = product.reviews.select_related("user")[:number]
    return [{"rating": r.rating, "title": r.title, "text": r.text, "author": r.author} for r in reviews]
