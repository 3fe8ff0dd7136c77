"""What all models share: times and slugs."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.products.models import Category, Product
from tests.store.factories import CategoryFactory, ProductFactory

pytestmark = pytest.mark.django_db


def test_save_of_some_fields_touches_updated_at(product_factory):
    product = product_factory()
    before = timezone.now() - timedelta(days=1)
    Product.objects.filter(pk=product.pk).update(updated_at=before)
    product.stock = 9
    product.save(update_fields=["stock"])
    product.refresh_from_db()
    assert product.stock == 9
    assert product.updated_at > before


def test_created_at_can_be_given(product_factory):
    then = timezone.now() - timedelta(days=30)
    assert product_factory(created_at=then).created_at == then


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Harbour Armchair", "harbour-armchair"),
        ("Tinker Copper Sauté Pan", "tinker-copper-saute-pan"),
        ("Café 椅子", "cafe"),
    ],
)
def test_slug_is_made_of_the_name(product_factory, name, slug):
    assert product_factory(name=name).slug == slug


@pytest.mark.parametrize("name", ["椅子", "Стул", "…!", "🪑"])
def test_slug_of_a_name_without_latin_letters(product_factory, name):
    first, second = product_factory(name=name), product_factory(name=name)
    for product in (first, second):
        product.full_clean()
        assert product.slug.startswith("product-")
        assert len(product.slug) == len("product-") + 8
    assert first.slug != second.slug


def test_slugs_of_equal_names_are_numbered(product_factory):
    assert [product_factory(name="Lamp").slug for _ in range(3)] == ["lamp", "lamp-2", "lamp-3"]
    assert product_factory(name="Lamp shade").slug == "lamp-shade"
    Product.objects.get(slug="lamp-2").delete()
    assert product_factory(name="Lamp").slug == "lamp-2"


def test_slugs_of_very_long_names_fit(product_factory):
    slugs = [product_factory(name="x" * 200).slug for _ in range(2)]
    assert slugs == ["x" * 200, "x" * 192 + "-2"]


def test_slug_stays_when_the_name_changes(product_factory):
    product = product_factory(name="Lamp")
    product.name = "Light"
    product.save()
    assert product.slug == "lamp"


def test_slug_that_another_process_takes_just_now(category):
    """Another process commits the same slug between the look and the insert."""
    ProductFactory(name="Lamp")
    with patch("apps.core.models.free_slug", side_effect=["lamp", "lamp-2"]):
        product = Product.objects.create(name="Lamp", price=1, category=category)
    assert product.slug == "lamp-2"
    assert Product.objects.filter(pk=product.pk).exists()


def test_another_violation_is_not_taken_for_a_slug(category):
    with pytest.raises(IntegrityError), transaction.atomic():
        Product.objects.create(name="Lamp", price=-1, category=category)


def test_slug_that_is_given_and_taken_is_refused(product_factory):
    product_factory(slug="lamp")
    with pytest.raises(IntegrityError), transaction.atomic():
        product_factory(slug="lamp")


def test_categories_have_slugs_too():
    assert CategoryFactory(name="Garden & Balcony").slug == "garden-balcony"
    assert CategoryFactory(name="Сад").slug.startswith("category-")
    assert Category.objects.filter(slug="").count() == 0
