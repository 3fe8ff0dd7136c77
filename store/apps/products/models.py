"""Categories, products and what customers say about them."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.core.models import SluggedModel, TimestampedModel, UUIDModel
from apps.products.pictures import picture_path
from apps.products.querysets import CategoryQuerySet, ProductQuerySet, ReviewQuerySet


class Category(SluggedModel, TimestampedModel):
    """A place in the shop's tree of goods."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    description = models.TextField(_("description"), blank=True)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="children",
    )

    objects = CategoryQuerySet.as_manager()

    class Meta:
        db_table = "categories"
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if self.pk and self.parent_id in {self.pk, *self.get_descendant_ids()}:
            raise ValidationError({"parent": _("A category cannot be below itself.")})

    def get_absolute_url(self) -> str:
        return reverse("products:category-detail", args=[self.slug])

    def get_descendant_ids(self) -> set[int]:
        """The keys of every category below this one."""
        return type(self).objects.descendant_ids(self.pk)

    def get_descendants(self) -> CategoryQuerySet:
        """Every category below this one."""
        return type(self).objects.filter(pk__in=self.get_descendant_ids())

    @property
    def picture(self) -> str:
        """The static path of its picture."""
        return picture_path(self.slug)


class Product(UUIDModel, SluggedModel, TimestampedModel):
    """Something the shop sells."""

    class Status(models.TextChoices):
        DRAFT = "DR", _("Draft")
        PUBLISHED = "PB", _("Published")
        ARCHIVED = "AR", _("Archived")

    LOW_STOCK = 5
    """From how many pieces down customers are told how many are left."""

    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    price = models.DecimalField(_("price"), max_digits=10, decimal_places=2, validators=[MinValueValidator(Decimal(0))])
    stock = models.PositiveIntegerField(_("stock"), default=0)
    status = models.CharField(_("status"), max_length=2, choices=Status, default=Status.DRAFT)
    category = models.ForeignKey(
        Category, verbose_name=_("category"), on_delete=models.PROTECT, related_name="products"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="products",
    )
    meta_title = models.CharField(_("title for search engines"), max_length=70, blank=True)
    meta_description = models.CharField(_("description for search engines"), max_length=160, blank=True)
    view_count = models.PositiveIntegerField(_("views"), default=0, editable=False)

    objects = ProductQuerySet.as_manager()

    class Meta:
        db_table = "products"
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["status", "-created_at"], name="products_status_created"),
            models.Index(fields=["status", "price"], name="products_status_price"),
            models.Index(fields=["status", "name"], name="products_status_name"),
            models.Index(fields=["category", "status"], name="products_category_status"),
        )
        constraints = (models.CheckConstraint(condition=Q(price__gte=0), name="products_price_not_negative"),)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("products:product-detail", args=[self.slug])

    @property
    def is_in_stock(self) -> bool:
        return self.stock > 0

    @property
    def is_low_in_stock(self) -> bool:
        return self.stock <= self.LOW_STOCK

    @property
    def availability(self) -> str:
        """What customers learn of the stock: the exact number only where few are left."""
        if not self.is_in_stock:
            return gettext("Sold out")
        if self.is_low_in_stock:
            return ngettext("%(left)s left", "%(left)s left", self.stock) % {"left": self.stock}
        return gettext("In stock")

    @property
    def picture(self) -> str:
        """The static path of its picture: its category's."""
        return self.category.picture


class Review(TimestampedModel):
    """What a customer says about a product."""

    product = models.ForeignKey(
        Product, verbose_name=_("product"), on_delete=models.CASCADE, related_name="reviews", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="reviews",
    )
    author_name = models.CharField(
        _("author"), max_length=100, blank=True, help_text=_("The name to show where there is no user.")
    )
    rating = models.PositiveSmallIntegerField(
        _("rating"), validators=[MinValueValidator(1), MaxValueValidator(5)], help_text=_("1 to 5.")
    )
    title = models.CharField(_("title"), max_length=200, blank=True)
    text = models.TextField(_("text"))

    objects = ReviewQuerySet.as_manager()

    class Meta:
        db_table = "reviews"
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ("-created_at",)
        indexes = (models.Index(fields=["product", "-created_at"], name="reviews_product_created"),)
        constraints = (models.CheckConstraint(condition=Q(rating__gte=1, rating__lte=5), name="reviews_rating_1_to_5"),)

    def __str__(self) -> str:
        return self.title or f"{self.rating}/5"

    @property
    def author(self) -> str:
        """Who wrote it, as others may read it: never an e-mail address."""
        name = self.user.get_full_name() if self.user else ""
        return name or self.author_name or str(_("A customer"))
