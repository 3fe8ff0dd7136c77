"""The demonstration shop's goods and what people say about them: `*.json` beside this file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.products.models import Category, Product, Review

Progress = Callable[[int, int], None]


@dataclass(kw_only=True)
class Made:
    """How many rows were missing and were made."""

    categories: int = 0
    products: int = 0
    reviews: int = 0

    def __bool__(self) -> bool:
        return bool(self.categories or self.products or self.reviews)


@transaction.atomic
def load_catalogue(progress: Progress) -> Made:
    """Make what is missing, by slug (reviews: by product, author, title); change nothing that is there."""
    goods, reviews = _read("products"), _read("reviews")
    made = Made(categories=_load_categories())
    categories = {category.slug: category for category in Category.objects.all()}
    known = {product.slug: product for product in Product.objects.all()}
    written = set(Review.objects.values_list("product__slug", "author_name", "title"))
    now = timezone.now()
    for done, item in enumerate(goods, 1):
        slug = item["slug"]
        if slug not in known:
            known[slug] = _make_product(item, categories[item["category"]], now)
            made.products += 1
        missing = [r for r in reviews.get(slug, []) if (slug, r["author"], r["title"]) not in written]
        Review.objects.bulk_create([_review(known[slug], r, now) for r in missing])
        made.reviews += len(missing)
        progress(done, len(goods))
    return made


def _load_categories() -> int:
    made = 0
    for item in _read("categories"):  # parents come before their children
        parent = Category.objects.get(slug=item["parent"]) if item["parent"] else None
        values = {"name": item["name"], "description": item["description"], "parent": parent}
        made += Category.objects.get_or_create(slug=item["slug"], defaults=values)[1]
    return made


def _make_product(item: dict[str, Any], category: Category, now: datetime) -> Product:
    return Product.objects.create(
        slug=item["slug"],
        name=item["name"],
        description=item["description"],
        price=item["price"],
        stock=item["stock"],
        status=Product.Status.PUBLISHED,
        category=category,
        created_at=now - timedelta(days=item["days_ago"]),
    )


def _review(product: Product, item: dict[str, Any], now: datetime) -> Review:
    return Review(
        product=product,
        author_name=item["author"],
        rating=item["rating"],
        title=item["title"],
        text=item["text"],
        created_at=now - timedelta(days=item["days_ago"]),
    )


def _read(name: str) -> Any:
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
