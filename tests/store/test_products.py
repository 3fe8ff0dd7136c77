"""Categories, products and reviews, and the ways to look at them."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from apps.products.models import Category, Product, Review
from apps.products.pictures import picture_path
from tests.store.factories import CategoryFactory, ProductFactory, ReviewFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def tree():
    """Home > (Light > Lamps, Seats), Garden."""
    home = CategoryFactory(name="Home")
    light = CategoryFactory(name="Light", parent=home)
    lamps = CategoryFactory(name="Lamps", parent=light)
    seats = CategoryFactory(name="Seats", parent=home)
    return {
        "home": home,
        "light": light,
        "lamps": lamps,
        "seats": seats,
        "garden": CategoryFactory(name="Garden"),
    }


def names(queryset):
    return sorted(item.name for item in queryset)


def test_descendants(tree):
    assert names(tree["home"].get_descendants()) == ["Lamps", "Light", "Seats"]
    assert names(tree["lamps"].get_descendants()) == []


def test_descendants_take_one_query(tree, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert len(tree["home"].get_descendant_ids()) == 3


def test_descendants_of_a_circle_end(tree):
    Category.objects.filter(pk=tree["home"].pk).update(parent=tree["lamps"])
    assert names(tree["light"].get_descendants()) == ["Home", "Lamps", "Light", "Seats"]


def test_tree_is_in_order_and_knows_depths(tree, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = [(category.name, category.depth) for category in Category.objects.tree()]
    assert found == [("Garden", 0), ("Home", 0), ("Light", 1), ("Lamps", 2), ("Seats", 1)]


@pytest.mark.parametrize("parent", ["home", "light", "lamps"])
def test_a_category_cannot_be_below_itself(tree, parent):
    tree["home"].parent = tree[parent]
    with pytest.raises(ValidationError, match="below itself"):
        tree["home"].full_clean()


def test_a_category_with_products_is_protected(tree, product_factory):
    product_factory(category=tree["lamps"])
    with pytest.raises(ProtectedError):
        tree["home"].delete()


def test_published(product_factory):
    shown = product_factory()
    product_factory(status=Product.Status.DRAFT)
    product_factory(status=Product.Status.ARCHIVED)
    assert list(Product.objects.published()) == [shown]


def test_in_stock(product_factory):
    there, gone = product_factory(stock=1), product_factory(stock=0)
    assert list(Product.objects.in_stock()) == [there]
    assert (there.is_in_stock, gone.is_in_stock) == (True, False)


@pytest.mark.parametrize(
    ("category", "found"),
    [
        ("home", ["Chair", "Lamp", "Switch"]),
        ("light", ["Lamp", "Switch"]),
        ("lamps", ["Lamp"]),
        ("garden", []),
    ],
)
def test_by_category_includes_what_is_below(tree, product_factory, category, found):
    product_factory(name="Lamp", category=tree["lamps"])
    product_factory(name="Switch", category=tree["light"])
    product_factory(name="Chair", category=tree["seats"])
    assert names(Product.objects.by_category(tree[category])) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("oak", ["Desk", "Oak Table"]),
        ("OAK table", ["Oak Table"]),
        ("outdoor", ["Spade"]),
        ("ash handle", ["Spade"]),
        ("oak spade", []),
        ("100%", []),
        ("  ", ["Desk", "Oak Table", "Spade"]),
    ],
)
def test_search_finds_every_word(product_factory, query, found):
    product_factory(name="Oak Table")
    product_factory(name="Desk", description="Made of oak.")
    product_factory(name="Spade", description="Ash handle.", category=CategoryFactory(name="Outdoor"))
    assert names(Product.objects.search(query)) == found


def test_with_stats_counts_each_review_once(product_factory, django_assert_num_queries):
    rated, silent = product_factory(name="Rated"), product_factory(name="Silent")
    for rating in (5, 4, 2):
        ReviewFactory(product=rated, rating=rating)
    with django_assert_num_queries(1):
        found = {p.name: (p.review_count, p.avg_rating) for p in Product.objects.with_stats()}
    assert found == {"Rated": (3, pytest.approx(11 / 3)), "Silent": (0, None)}
    # A join to many rows beside it must not multiply them.
    assert Product.objects.filter(reviews__rating__gt=1).with_stats().distinct().get().review_count == 3
    assert silent.reviews.count() == 0


def test_rating_counts(product_factory):
    product = product_factory()
    for rating in (5, 5, 3):
        ReviewFactory(product=product, rating=rating)
    assert product.reviews.rating_counts() == {5: 2, 4: 0, 3: 1, 2: 0, 1: 0}
    assert list(product.reviews.rating_counts()) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("rating", [0, 6])
def test_rating_outside_1_to_5_is_refused(product_factory, rating):
    review = Review(product=product_factory(), rating=rating, text="x", author_name="Sam")
    with pytest.raises(ValidationError):
        review.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        review.save()


def test_negative_price_is_refused(product_factory):
    product = product_factory()
    product.price = Decimal("-0.01")
    with pytest.raises(ValidationError):
        product.full_clean()


def test_price_keeps_its_cents(product_factory):
    product = product_factory(price=Decimal("19.99"))
    product.refresh_from_db()
    assert product.price == Decimal("19.99")


def test_author_is_the_user_or_a_name_but_never_an_address(product_factory, user):
    product = product_factory()
    assert ReviewFactory(product=product, user=user).author == "Grace Okafor"
    assert ReviewFactory(product=product, author_name="Sam").author == "Sam"
    user.first_name = user.last_name = ""
    assert Review(product=product, user=user).author == "A customer"


def test_what_a_user_made_outlives_him(product_factory, user):
    product = product_factory(created_by=user)
    review = ReviewFactory(product=product, user=user)
    user.delete()
    product.refresh_from_db()
    review.refresh_from_db()
    assert (product.created_by, review.user) == (None, None)


def test_pictures_of_categories():
    assert picture_path("chairs") == "products/categories/chairs.svg"
    assert picture_path("never-drawn") == "products/categories/other.svg"
    product = ProductFactory(category=CategoryFactory(slug="knives"))
    assert product.picture == "products/categories/knives.svg"
