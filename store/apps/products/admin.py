"""The catalogue in the admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.products.models import Category, Product, Review


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ("name", "parent", "slug")
    list_select_related = ("parent",)
    search_fields = ("name",)
    autocomplete_fields = ("parent",)


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "category", "price", "stock", "status", "avg_rating", "review_count")
    list_filter = ("status", "category")
    list_select_related = ("category",)
    search_fields = ("name", "description")
    autocomplete_fields = ("category", "created_by")
    readonly_fields = ("view_count", "created_at", "updated_at")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        return super().get_queryset(request).with_stats()

    @admin.display(description=_("rating"), ordering="avg_rating", empty_value="–")
    def avg_rating(self, product: Product) -> str | None:
        return None if product.avg_rating is None else f"{product.avg_rating:.1f}"

    @admin.display(description=_("reviews"), ordering="review_count")
    def review_count(self, product: Product) -> int:
        return product.review_count


@admin.register(Review)
class ReviewAdmin(admin.ModelAdmin):
    list_display = ("title", "product", "rating", "author", "created_at")
    list_filter = ("rating", "created_at")
    list_select_related = ("product", "user")
    search_fields = ("title", "text", "author_name", "product__name")
    autocomplete_fields = ("product", "user")
    readonly_fields = ("created_at", "updated_at")

    @admin.display(description=_("author"))
    def author(self, review: Review) -> str:
        return review.author
