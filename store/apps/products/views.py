"""The catalogue's pages."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic import DetailView, ListView

from apps.products.forms import ProductListForm
from apps.products.models import Product

REVIEWS_SHOWN = 50


class ProductListView(ListView):
    """Published products: searched by `q`, of a `category`, in the order of `sort`, 20 a page."""

    template_name = "products/product_list.html"
    context_object_name = "products"
    paginate_by = 20

    @cached_property
    def form(self) -> ProductListForm:
        return ProductListForm(self.asked)

    @cached_property
    def asked(self) -> QueryDict:
        """What the query string asks for, with `sort` and `category` made explicit."""
        asked = self.request.GET.copy()
        asked.setdefault("sort", "-created_at")
        if slug := self.kwargs.get("slug"):
            asked["category"] = slug
        return asked

    def get_queryset(self) -> QuerySet[Product]:
        products = self.form.products()
        if "slug" in self.kwargs and self.form.chosen_category is None:
            raise Http404(_("There is no such category."))
        return products.select_related("category").with_stats()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(form=self.form, category=self.form.chosen_category, **kwargs)


class ProductDetailView(DetailView):
    """One published product with what customers say about it, newest first."""

    template_name = "products/product_detail.html"
    context_object_name = "product"

    def get_queryset(self) -> QuerySet[Product]:
        return Product.objects.published().select_related("category__parent").with_stats()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        reviews = self.object.reviews.select_related("user")
        return super().get_context_data(
            reviews=reviews[:REVIEWS_SHOWN], rating_counts=self.object.reviews.rating_counts(), **kwargs
        )
