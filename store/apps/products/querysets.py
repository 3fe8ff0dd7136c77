"""Ways to look at categories, products and reviews."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Avg, Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

if TYPE_CHECKING:
    from apps.products.models import Category


class CategoryQuerySet(models.QuerySet["Category"]):
    def tree(self) -> list[Category]:
        """All of them in the order of the tree, each with its `depth` (0 for a root). One query."""
        children: dict[int | None, list[Category]] = defaultdict(list)
        for category in self.order_by("name"):
            children[category.parent_id].append(category)
        ordered: list[Category] = []
        pending = [(category, 0) for category in reversed(children[None])]
        while pending:
            category, depth = pending.pop()
            category.depth = depth
            ordered.append(category)
            pending += [(child, depth + 1) for child in reversed(children[category.pk])]
        return ordered

    def descendant_ids(self, pk: Any) -> set[Any]:
        """The keys of everything below a category, itself left out. One query, however deep the tree is."""
        children: dict[Any, list[Any]] = defaultdict(list)
        for child, parent in self.order_by().values_list("pk", "parent_id"):
            children[parent].append(child)
        found: set[Any] = set()
        pending = list(children[pk])
        while pending:
            child = pending.pop()
            if child not in found:
                found.add(child)
                pending += children[child]
        return found


class ProductQuerySet(models.QuerySet[Any]):
    def published(self) -> ProductQuerySet:
        """What customers see."""
        return self.filter(status=self.model.Status.PUBLISHED)

    def in_stock(self) -> ProductQuerySet:
        return self.filter(stock__gt=0)

    def low_in_stock(self) -> ProductQuerySet:
        """Those that are sold out, or nearly so."""
        return self.filter(stock__lte=self.model.LOW_STOCK)

    def by_category(self, category: Category) -> ProductQuerySet:
        """Those of the category and of every category below it."""
        return self.filter(category__in={category.pk, *category.get_descendant_ids()})

    def search(self, query: str) -> ProductQuerySet:
        """Those in whose name, description or category every word of the query is found."""
        found = self
        for word in query.split():
            found = found.filter(
                Q(name__icontains=word) | Q(description__icontains=word) | Q(category__name__icontains=word)
            )
        return found

    def any_word(self, words: Iterable[str]) -> ProductQuerySet:
        """Those whose name or category has at least one of the words in it."""
        conditions = (Q(name__icontains=word) | Q(category__name__icontains=word) for word in words)
        return self.filter(reduce(or_, conditions, Q(pk__in=[])))

    def with_stats(self) -> ProductQuerySet:
        """With `review_count`, and `avg_rating` (None without reviews).

        By subqueries: joins to other rows, whatever else the query has, do not multiply what is counted.
        """
        reviews = self.model._meta.get_field("reviews").related_model.objects.order_by()
        grouped = reviews.filter(product=OuterRef("pk")).values("product")
        return self.annotate(
            review_count=Coalesce(Subquery(grouped.annotate(n=Count("pk")).values("n")), 0),
            avg_rating=Subquery(grouped.annotate(mean=Avg("rating")).values("mean")),
        )


class ReviewQuerySet(models.QuerySet[Any]):
    def rating_counts(self) -> dict[int, int]:
        """How many there are of each rating, 5 first, those that nobody gave included."""
        counts = dict(self.order_by().values_list("rating").annotate(Count("pk")))
        return {rating: counts.get(rating, 0) for rating in range(5, 0, -1)}
