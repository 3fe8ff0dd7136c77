"""Which product somebody means who writes its name more or less."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from uuid import UUID

from apps.products.models import Product
from apps.products.querysets import ProductQuerySet

CANDIDATES = 200
"""How many products are compared in Python, after the database has narrowed them down."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The first of the products that were looked for, and how many there are in all."""

    total: int
    first: list[Product]


def get_product(reference: str, among: ProductQuerySet) -> Product | None:
    """The one product with exactly this id, slug or name (in any case)."""
    reference = reference.strip().replace("\x00", "")
    try:
        return among.filter(pk=UUID(reference)).first()
    except ValueError:
        return among.filter(slug=reference).first() or among.filter(name__iexact=reference).first()


def find_product(text: str, among: ProductQuerySet) -> Product | None:
    """The product with this id, slug or name, or else the one that the text names best, if any.

    The text may be a whole sentence: "What do people say about the harbour armchair?"
    """
    if exact := get_product(text, among):
        return exact
    asked = _words(text)
    for product in nearest(text, among):
        named = _words(product.name)
        if 2 * len(named & asked) >= len(named):  # half of a name: "lamp" alone means no lamp in particular
            return product
    return None


def search(text: str, among: ProductQuerySet, most: int) -> Found:
    """Products in which every word of the text is found, by name; or else those that the text names nearest."""
    text = text.replace("\x00", "")
    found = first_of(among.search(text).order_by("name"), most)
    if found.total:
        return found
    near = nearest(text, among)
    return Found(total=len(near), first=near[:most])


def first_of(products: ProductQuerySet, most: int) -> Found:
    """As many of the products as are wanted, in their order."""
    return Found(total=products.count(), first=list(products.select_related("category")[:most]))


def nearest(text: str, among: ProductQuerySet) -> list[Product]:
    """Products whose name or category has words of the text, those with most of them first."""
    asked = _words(text)
    if not asked:
        return []

    def shared(product: Product) -> int:
        return len(asked & _words(f"{product.name} {product.category.name}"))

    candidates = among.any_word(asked).select_related("category").order_by("name")[:CANDIDATES]
    return sorted(filter(shared, candidates), key=shared, reverse=True)


def near_names(text: str, among: ProductQuerySet) -> list[str]:
    """Names that look like the text, for somebody who misspelt one."""
    names = {name.lower(): name for name in among.order_by("name").values_list("name", flat=True)[:CANDIDATES]}
    return [names[match] for match in get_close_matches(text.lower(), names, 3, cutoff=0.4)]


def _words(text: str) -> set[str]:
    """The words that say something: of three letters and more, in lower case, without a plural's s."""
    return {word.removesuffix("s") for word in re.findall(r"[^\W\d_]{3,}", text.lower())}
