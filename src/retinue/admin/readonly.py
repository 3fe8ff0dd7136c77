"""Pages on tables that may be long, and on rows that nobody writes by hand."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.core.paginator import Paginator

from retinue.conf import get_settings

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

COUNTED = 10_000
"""How many rows are listed at most: who looks for an older one filters."""


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than `COUNTED`: counting a table of millions takes seconds."""

    @cached_property
    def _found(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: COUNTED + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._found, COUNTED)

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than are listed."""
        return self._found > COUNTED


class LongTableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows of Retinue's own database, without counting them all."""

    paginator = CappedPaginator
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ["retinue/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).using(get_settings().database)


class ReadOnlyAdmin(LongTableAdmin):
    """Rows to look at, without adding, changing and deleting."""

    actions: list[str] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
