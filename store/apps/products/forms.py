"""What a visitor may ask the product list for."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.products.models import Category, Product
from apps.products.querysets import ProductQuerySet

NEWEST = "-created_at"
SORTS = (
    (NEWEST, _("Newest first")),
    ("price", _("Price, low to high")),
    ("-price", _("Price, high to low")),
    ("name", _("Name, A to Z")),
    ("-name", _("Name, Z to A")),
)


class ProductListForm(forms.Form):
    q = forms.CharField(
        label=_("Search"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Lamp, walnut, cast iron …")}),
    )
    category = forms.ChoiceField(label=_("Category"), required=False)
    sort = forms.ChoiceField(label=_("Sort by"), choices=SORTS, required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.categories = Category.objects.tree()
        # No-break spaces: a browser shows ordinary ones at an option's start as none.
        self.fields["category"].choices = [
            ("", _("All categories")),
            *((category.slug, "\u00a0\u00a0" * category.depth + category.name) for category in self.categories),
        ]

    @property
    def chosen_category(self) -> Category | None:
        slug = self.cleaned_data.get("category")
        return next((category for category in self.categories if category.slug == slug), None)

    def products(self) -> ProductQuerySet:
        """The published products that were asked for; none where the question has no meaning."""
        if not self.is_valid():
            return Product.objects.none()
        found = Product.objects.published().search(self.cleaned_data["q"])
        if category := self.chosen_category:
            found = found.by_category(category)
        return found.order_by(self.cleaned_data["sort"] or NEWEST, "pk")
