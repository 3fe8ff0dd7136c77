"""The list and the pages of products."""

import pytest

from apps.products.models import Product
from tests.store.factories import CategoryFactory, ProductFactory, ReviewFactory, UserFactory

pytestmark = pytest.mark.django_db
LIST = "/products/"


def shown(response):
    return [product.name for product in response.context["products"]]


@pytest.fixture
def three():
    light = CategoryFactory(name="Light")
    lamps = CategoryFactory(name="Lamps", parent=light)
    ProductFactory(name="Beacon", price=20, category=lamps)
    ProductFactory(name="Anvil", price=30)
    ProductFactory(name="Candle", price=10, category=light)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Candle", "Anvil", "Beacon"]),
        ("?sort=-created_at", ["Candle", "Anvil", "Beacon"]),
        ("?sort=price", ["Candle", "Beacon", "Anvil"]),
        ("?sort=-price", ["Anvil", "Beacon", "Candle"]),
        ("?sort=name", ["Anvil", "Beacon", "Candle"]),
        ("?sort=-name", ["Candle", "Beacon", "Anvil"]),
        ("?q=ANV", ["Anvil"]),
        ("?q=nothing", []),
        ("?category=light&sort=name", ["Beacon", "Candle"]),
        ("?category=lamps", ["Beacon"]),
        ("?category=light&q=can", ["Candle"]),
        ("?category=unknown", []),
        ("?sort=stock", []),
        ("?q=%00", []),
    ],
)
def test_list_shows_what_was_asked_for(client, three, query, found):
    response = client.get(LIST + query)
    assert response.status_code == 200
    assert shown(response) == found


def test_list_hides_what_is_not_published(client):
    for status in (Product.Status.DRAFT, Product.Status.ARCHIVED):
        ProductFactory(status=status)
    response = client.get(LIST)
    assert shown(response) == []
    assert "No product matches." in response.text


def test_category_page(client, three):
    response = client.get("/products/category/light/?sort=name")
    assert shown(response) == ["Beacon", "Candle"]
    assert "<h1>Light</h1>" in response.text
    assert client.get("/products/category/unknown/").status_code == 404


def test_list_has_20_a_page_and_keeps_the_question(client):
    ProductFactory.create_batch(45)
    assert [len(shown(client.get(f"{LIST}?page={page}"))) for page in (1, 2, 3)] == [20, 20, 5]
    page = client.get(f"{LIST}?q=Product&sort=name&page=2").text
    assert 'href="?q=Product&amp;sort=name&amp;page=3"' in page
    assert client.get(f"{LIST}?page=4").status_code == 404


@pytest.mark.parametrize("number", [1, 12])
def test_list_takes_three_queries_however_many_products(client, django_assert_num_queries, number):
    for product in ProductFactory.create_batch(number):
        ReviewFactory.create_batch(2, product=product)
    with django_assert_num_queries(3):  # the tree of categories, the count, the page
        client.get(LIST)


def test_list_shows_stock_and_ratings(client):
    product = ProductFactory(stock=2, price="1249.00")
    ReviewFactory(product=product, rating=4)
    ProductFactory(stock=0)
    page = client.get(LIST).text
    for text in ("2 left", "Sold out", "$1,249.00", "4.0 out of 5 stars", "No reviews yet"):
        assert text in page


def test_detail_shows_the_reviews_newest_first(client):
    product = ProductFactory(name="Lamp", slug="lamp")
    for rating, title in ((5, "Fine"), (2, "<script>bad</script>")):
        ReviewFactory(product=product, rating=rating, title=title)
    page = client.get("/products/lamp/").text
    assert page.index("&lt;script&gt;bad") < page.index("Fine")
    assert "2 reviews" in page
    assert "3.5 out of 5 stars" in page


@pytest.mark.parametrize("number", [1, 12])
def test_detail_takes_three_queries_however_many_reviews(client, django_assert_num_queries, number):
    product = ProductFactory(slug="lamp", category=CategoryFactory(parent=CategoryFactory()))
    for _ in range(number):
        ReviewFactory(product=product, user=UserFactory())
    with django_assert_num_queries(3):  # the product, its reviews, how many of each rating
        client.get("/products/lamp/")


def test_detail_without_reviews(client):
    ProductFactory(slug="lamp")
    assert "Nobody has written about this product yet." in client.get("/products/lamp/").text


@pytest.mark.parametrize("status", [Product.Status.DRAFT, Product.Status.ARCHIVED])
def test_detail_of_what_is_not_published_is_not_found(client, status):
    ProductFactory(slug="lamp", status=status)
    assert client.get("/products/lamp/").status_code == 404


def test_not_found_page_shows_the_way_back(client):
    response = client.get("/products/unknown/")
    assert response.status_code == 404
    assert "There is nothing here" in response.text


def test_search_texts_are_taken_literally(client):
    ProductFactory(name="100% wool")
    ProductFactory(name="Wool")
    response = client.get(f"{LIST}?q=100%25")
    assert shown(response) == ["100% wool"]
    assert "for “&lt;b&gt;”" in client.get(f"{LIST}?q=<b>").text


def test_admin_lists_take_no_query_per_row(admin_client, django_assert_max_num_queries):
    counts = []
    for _ in range(2):
        for product in ProductFactory.create_batch(5):
            ReviewFactory(product=product, user=UserFactory())
        for model in ("category", "product", "review"):
            with django_assert_max_num_queries(12) as context:
                assert admin_client.get(f"/admin/products/{model}/").status_code == 200
            counts.append(len(context))
    assert counts[:3] == counts[3:]
