"""Which product somebody means."""

import pytest

from apps.products.lookup import find_product, get_product, near_names, nearest
from apps.products.models import Product
from tests.store.factories import CategoryFactory, ProductFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def products():
    lamps = CategoryFactory(name="Floor Lamps")
    return {
        name: ProductFactory(name=name, category=category)
        for name, category in [
            ("Harbour Armchair", CategoryFactory(name="Chairs")),
            ("Heron Floor Lamp", lamps),
            ("Dovecote Pendant", lamps),
        ]
    }


@pytest.mark.parametrize("reference", ["heron-floor-lamp", "HERON floor lamp", " Heron Floor Lamp\x00"])
def test_get_product_takes_slug_or_name(products, reference):
    assert get_product(reference, Product.objects.all()) == products["Heron Floor Lamp"]


def test_get_product_takes_the_id(products):
    product = products["Dovecote Pendant"]
    assert get_product(str(product.pk), Product.objects.all()) == product
    assert get_product("00000000-0000-0000-0000-000000000000", Product.objects.all()) is None


@pytest.mark.parametrize("reference", ["heron", "floor lamp", "", "'; --"])
def test_get_product_never_guesses(reference):
    assert get_product(reference, Product.objects.all()) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What do customers say about the Harbour Armchair?", "Harbour Armchair"),
        ("the armchair", "Harbour Armchair"),
        ("heron lamps", "Heron Floor Lamp"),
        ("the lamp", None),
        ("The tent leaked.", None),
        ("", None),
        ("\x00", None),
    ],
)
def test_find_product_in_a_sentence(products, text, name):
    assert find_product(text, Product.objects.all()) == products.get(name)


def test_nearest_puts_the_best_first():
    found = [product.name for product in nearest("a floor lamp like the heron, please", Product.objects.all())]
    assert found == ["Heron Floor Lamp", "Dovecote Pendant"]


def test_near_names_of_a_misspelling():
    assert near_names("Hairon Flor Lamp", Product.objects.all()) == ["Heron Floor Lamp"]
