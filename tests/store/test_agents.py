"""What the shop's agents may and can do. Their model follows a script; everything else is real."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from apps.products.agents import Analysis, catalogue_helper, content_analyzer
from apps.products.models import Product
from retinue.approvals.decisions import approve
from retinue.approvals.models import Approval
from retinue.errors import AgentPermissionDenied, ExecutionWaiting, InvalidArguments
from retinue.testing import run_queued
from tests.scripted import call, returned, scripted
from tests.store.factories import ProductFactory, ReviewFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keeper(staff: Any) -> Any:
    """Someone who may see and change products."""
    allow(staff, "view_product", "change_product")
    return staff


def allow(user, *codenames):
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def ask(agent, user, tool, **arguments):
    """Run the agent with one call of a tool; give what the tool told the model."""
    told: list[Any] = []

    def last(messages):
        told.extend(returned(messages) or [part.content for part in messages[-1].parts])
        return "done"

    with agent.override(model=scripted([call(tool, **arguments)], last)):
        agent.run_sync("Do it", user=user)
    return told[0]


def test_get_reviews_tells_what_customers_say(user, lamp):
    ReviewFactory(product=lamp, rating=2, title="Broken", text="The marble broke.", author_name="Tamsin")
    told: list[Any] = []

    def judge(messages):
        told.extend(returned(messages))
        return [call("final_result", sentiment="negative", keywords=["marble"], confidence=0.8)]

    with content_analyzer.override(model=scripted([call("get_reviews", product="the Heron lamp")], judge)):
        result = content_analyzer.run_sync("What about the Heron?", user=user)
    assert result.output == Analysis(sentiment="negative", keywords=["marble"], confidence=0.8)
    review = {"rating": 2, "title": "Broken", "text": "The marble broke.", "author": "Tamsin"}
    assert told == [{"product": "Heron Floor Lamp", "reviews": [review]}]


@pytest.mark.parametrize("status", [Product.Status.DRAFT, Product.Status.ARCHIVED])
def test_get_reviews_knows_published_products_only(user, lamp, status):
    Product.objects.update(status=status)
    told: list[Any] = []

    def judge(messages):
        told.extend(returned(messages))
        return [call("final_result", sentiment="neutral", keywords=[], confidence=0)]

    with content_analyzer.override(model=scripted([call("get_reviews", product=lamp.slug)], judge)):
        content_analyzer.run_sync("What about the Heron?", user=user)
    assert told == [{"product": None, "reviews": [], "note": "The shop has no product of that name."}]


def test_catalogue_helper_is_for_those_who_may_see_products(user):
    with pytest.raises(AgentPermissionDenied):
        catalogue_helper.run_sync("Which lamps are there?", user=user)


@pytest.mark.parametrize("query", ["heron", "Which lamps do you have?", "TALL floor"])
def test_search_products(keeper, lamp, query):
    ProductFactory(name="Spade")
    assert ask(catalogue_helper, keeper, "search_products", query=query) == {
        "total": 1,
        "products": [
            {
                "id": str(lamp.pk),
                "slug": "heron-floor-lamp",
                "name": "Heron Floor Lamp",
                "category": "Lamps",
                "price": "268.00",
                "stock": 8,
                "status": "Published",
            }
        ],
    }


def test_first_of_many_come_with_how_many_there_are(keeper, category):
    ProductFactory.create_batch(12, category=category, stock=1)
    found = ask(catalogue_helper, keeper, "search_products", query="")
    assert (found["total"], len(found["products"])) == (12, 10)
    found = ask(catalogue_helper, keeper, "low_stock", limit=3)
    assert (found["total"], len(found["products"])) == (12, 3)


def test_get_product(keeper, lamp):
    ReviewFactory(product=lamp, rating=5)
    ReviewFactory(product=lamp, rating=4)
    found = ask(catalogue_helper, keeper, "get_product", product_id=str(lamp.pk))
    assert (found["description"], found["review_count"], found["avg_rating"]) == ("Tall.", 2, 4.5)


def test_get_product_that_is_not_there_names_near_ones(keeper, lamp):
    told = ask(catalogue_helper, keeper, "get_product", product_id="Hairon Flor Lampe")
    assert told == "There is no product 'Hairon Flor Lampe'. Did you mean Heron Floor Lamp?"


def test_low_stock(keeper, lamp):
    for name, stock in (("Two", 2), ("None", 0), ("Five", 5), ("Six", 6)):
        ProductFactory(name=name, stock=stock)
    ProductFactory(name="Draft", stock=0, status=Product.Status.DRAFT)
    found = ask(catalogue_helper, keeper, "low_stock")
    assert [product["name"] for product in found["products"]] == ["None", "Two", "Five"]


def test_set_stock(keeper, lamp):
    told = ask(catalogue_helper, keeper, "set_stock", product_id="heron-floor-lamp", stock=12)
    assert told == "The stock of Heron Floor Lamp is now 12 (it was 8)."
    lamp.refresh_from_db()
    assert lamp.stock == 12


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"product_id": "heron-floor-lamp", "stock": -1}, "greater than or equal to 0"),
        ({"product_id": "heron-floor-lamp", "stock": 99999999999999999999}, "less than or equal to 2147483647"),
        ({"product_id": "the heron", "stock": 1}, "There is no product 'the heron'. Did you mean"),
    ],
)
def test_set_stock_that_cannot_be_changes_nothing(keeper, lamp, arguments, sentence):
    assert sentence in str(ask(catalogue_helper, keeper, "set_stock", **arguments))
    lamp.refresh_from_db()
    assert lamp.stock == 8


@pytest.fixture
def repricing(keeper, lamp):
    """What waits for a person, after the model named a product that is not there."""
    turns = [[call("set_price", product_id=name, price="249.00")] for name in ("the heron", lamp.slug)]
    with catalogue_helper.override(model=scripted(*turns, "done")):
        with pytest.raises(ExecutionWaiting) as caught:
            catalogue_helper.run_sync("Set the price", user=keeper)
        yield caught.value.execution.approvals.get()


def test_set_price_waits_for_a_person(repricing, keeper, lamp):
    lamp.refresh_from_db()
    assert lamp.price == Decimal("268.00")
    ProductFactory(name="the heron")  # that there is one now asks nobody anew
    approve(repricing, by=keeper)
    (ran,) = run_queued(catalogue_helper)
    lamp.refresh_from_db()
    assert (ran.status, lamp.price) == ("completed", Decimal("249.00"))


def test_person_cannot_agree_to_a_price_that_cannot_be(repricing, keeper, lamp):
    with pytest.raises(InvalidArguments, match="greater than or equal to 0"):
        approve(repricing, by=keeper, arguments={"product_id": lamp.slug, "price": "-3"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"product_id": "heron-floor-lamp", "price": -3}, "greater than or equal to 0"),
        ({"product_id": "heron-floor-lamp", "price": "2.999"}, "no more than 2 decimal places"),
        ({"product_id": "heron-floor-lamp", "price": "123456789.00"}, "no more than 8 digits before"),
        ({"product_id": "the heron", "price": 5}, "There is no product 'the heron'. Did you mean"),
    ],
)
def test_nobody_is_asked_about_a_price_that_cannot_be(keeper, lamp, arguments, sentence):
    assert sentence in str(ask(catalogue_helper, keeper, "set_price", **arguments))
    assert not Approval.objects.exists()


def test_changes_need_the_permission(staff, lamp):
    allow(staff, "view_product")
    told = ask(catalogue_helper, staff, "set_stock", product_id=lamp.slug, stock=1)
    assert told.startswith("Unknown tool name: 'set_stock'.")
    assert "set_price" not in told
    lamp.refresh_from_db()
    assert lamp.stock == 8
