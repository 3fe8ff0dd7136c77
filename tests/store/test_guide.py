"""What the shop's guide tells visitors, and what it does not know."""

import pytest

from apps.products.agents import shop_guide
from apps.products.models import Product
from retinue.budgets.accounts import balance
from retinue.errors import BudgetExceeded
from retinue.types import Principal
from tests.scripted import call, returned, scripted
from tests.store.factories import ProductFactory, ReviewFactory

pytestmark = pytest.mark.django_db(transaction=True)
GUEST = Principal.guest("visitor")


def ask(tool, **arguments):
    """What a guest's run is told by a tool."""
    told = []

    def last(messages):
        told.extend(returned(messages) or [part.content for part in messages[-1].parts])
        return "done"

    with shop_guide.override(model=scripted([call(tool, **arguments)], last)):
        shop_guide.run_sync("Tell me", principal=GUEST)
    return told[0]


@pytest.mark.parametrize("query", ["heron", "Which lamps do you have?", ""])
def test_search_products(lamp, query):
    assert ask("search_products", query=query) == {
        "total": 1,
        "products": [
            {
                "name": "Heron Floor Lamp",
                "category": "Lamps",
                "price": "268.00",
                "availability": "In stock",
                "page": "[See it](/products/heron-floor-lamp/)",
            }
        ],
    }


@pytest.mark.parametrize("tool", ["search_products", "find_stocked_products"])
@pytest.mark.parametrize("query", ["spade", "Which spades do you have?", ""])
def test_first_of_many_come_with_how_many_there_are(category, tool, query):
    ProductFactory.create_batch(11, category=category, name="Spade")
    found = ask(tool, query=query)
    assert (found["total"], len(found["products"])) == (11, 8)


def test_answer_says_how_many_there_are(category):
    ProductFactory.create_batch(11, category=category, name="Spade")
    answer = shop_guide.run_sync("list all products", principal=GUEST).output
    assert answer.startswith("I found 11 products:\n")
    assert answer.endswith("\n… and 3 more.")


def test_get_product(lamp):
    ReviewFactory(product=lamp, rating=5)
    found = ask("get_product", product="the heron lamp")
    assert (found["name"], found["description"]) == ("Heron Floor Lamp", "Tall.")
    assert (found["review_count"], found["avg_rating"]) == (1, 5.0)


@pytest.mark.parametrize(("stock", "told"), [(0, "Sold out"), (1, "1 left"), (5, "5 left"), (6, "In stock")])
def test_stock_is_told_as_the_pages_tell_it(lamp, client, stock, told):
    Product.objects.update(stock=stock)
    assert ask("get_product", product=lamp.slug)["availability"] == told
    page = client.get(lamp.get_absolute_url()).text
    assert (told in page) is (told != "In stock")


def test_find_stocked_products(lamp):
    for name, stock, price in (("Spade", 3, 5), ("Rake", 0, 5), ("Axe", 9, 50)):
        ProductFactory(name=name, stock=stock, price=price)

    def names(**arguments):
        return [product["name"] for product in ask("find_stocked_products", **arguments)["products"]]

    assert names() == ["Spade", "Axe", "Heron Floor Lamp"]
    assert names(query="lamp") == ["Heron Floor Lamp"]
    assert ask("find_stocked_products", query="rake") == {"total": 0, "products": []}


def test_summarise_reviews(lamp):
    for rating in (5, 5, 2, 4):
        ReviewFactory(product=lamp, rating=rating, author_name="Tamsin")
    found = ask("summarise_reviews", product="heron floor lamp")
    assert (found["review_count"], found["avg_rating"]) == (4, 4.0)
    assert found["ratings"] == {"5 stars": 2, "4 stars": 1, "3 stars": 0, "2 stars": 1, "1 stars": 0}
    assert [review["rating"] for review in found["newest"]] == [4, 2, 5]
    assert found["newest"][0]["author"] == "Tamsin"


@pytest.mark.parametrize("status", [Product.Status.DRAFT, Product.Status.ARCHIVED])
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_products", {"query": "heron"}),
        ("find_stocked_products", {"query": "heron"}),
        ("find_stocked_products", {}),
        ("get_product", {"product": "heron-floor-lamp"}),
        ("summarise_reviews", {"product": "Heron Floor Lamp"}),
    ],
)
def test_what_is_not_published_is_not_known(lamp, status, tool, arguments):
    ProductFactory(name="Spade", stock=0)
    Product.objects.filter(pk=lamp.pk).update(status=status)
    assert "Heron" not in str(ask(tool, **arguments)).replace("'Heron Floor Lamp'. ", "")


def test_draft_is_not_known_by_its_id_either(lamp):
    Product.objects.update(status=Product.Status.DRAFT)
    told = ask("get_product", product=str(lamp.pk))
    assert told == f"There is no product '{lamp.pk}'. Search the catalogue for it."


def test_nothing_that_it_has_changes_anything():
    tools = [tool for toolset in shop_guide.toolsets for tool in getattr(toolset, "tools", {}).values()]
    assert [tool.metadata["retinue"].effects for tool in tools] == ["none"] * 4


def test_guests_have_a_small_budget():
    def ask_once():
        with shop_guide.override(model=scripted("Hello.")):
            return shop_guide.run_sync("Hello", principal=GUEST).output

    assert [ask_once() for _ in range(20)] == ["Hello."] * 20
    with pytest.raises(BudgetExceeded, match="The budget does not reach"):
        ask_once()
    [state] = balance(GUEST)
    assert (state.limit, state.available, state.unit_name) == (20, 0, "requests")
    with shop_guide.override(model=scripted("Hello.")):  # another guest has his own
        assert shop_guide.run_sync("Hello", principal=Principal.guest("other")).output == "Hello."


def test_users_have_a_larger_one(user):
    with shop_guide.override(model=scripted("Hello.")):
        shop_guide.run_sync("Hello", user=user)
    [state] = balance(user)
    assert (state.limit, state.unit_name) == (500, "credits")
