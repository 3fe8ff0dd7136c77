"""From round to round: chains, failures, second tries, memory."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AfterValidator
from pydantic_ai import DeferredToolRequests, ModelRetry, ToolDenied, ToolFailed
from pydantic_ai.messages import ModelMessage
from pydantic_ai.tools import Tool

from tests.providers.offline.shop import PRODUCTS, called, calls, delete_product, search_products, set_price, shop


@pytest.mark.parametrize(
    ("prompt", "made"),
    [
        (
            "Raise the price of all lamps by 10%",
            [
                ("search_products", {"query": "lamp"}),
                ("set_price", {"product_id": 17, "price": 97.9}),
                ("set_price", {"product_id": 18, "price": 53.9}),
            ],
        ),
        (
            "Increase the stock of the Bergen chair by 5",
            [("search_products", {"query": "Bergen chair"}), ("set_stock", {"product_id": 21, "quantity": 12})],
        ),
        (
            "Add 5 pieces to the stock of the Bergen chair",
            [("search_products", {"query": "Bergen chair"}), ("set_stock", {"product_id": 21, "quantity": 12})],
        ),
        (
            "Lower the price of product 17 by 9 €",
            [("get_product", {"product_id": 17}), ("set_price", {"product_id": 17, "price": 80.0})],
        ),
        (
            'Rename the Bergen chair to "Bergen armchair" and set its stock to 3',
            [
                ("search_products", {"query": "Bergen chair"}),
                ("rename_product", {"product_id": 21, "name": "Bergen armchair"}),
                ("set_stock", {"product_id": 21, "quantity": 3}),
            ],
        ),
        (
            "Set the price of the cheapest lamp to 5",
            [("search_products", {"query": "lamp"}), ("set_price", {"product_id": 18, "price": 5})],
        ),
        (
            "Delete products 17, 18 and 21",
            [("delete_product", {"product_id": number}) for number in (17, 18, 21)],
        ),
        (
            "Set the price of product 17 to 5, then show me product 17",
            [("set_price", {"product_id": 17, "price": 5}), ("get_product", {"product_id": 17})],
        ),
        (
            "Hi there,\n\nplease set the price of the Oslo lamp to 12,50 €. It was too expensive.\n\nThanks, Anna",
            [("search_products", {"query": "Oslo lamp"}), ("set_price", {"product_id": 17, "price": 12.5})],
        ),
        (
            "Please do this:\n- set the price of product 17 to 5\n- set the stock of product 18 to 3",
            [("set_price", {"product_id": 17, "price": 5}), ("set_stock", {"product_id": 18, "quantity": 3})],
        ),
    ],
)
def test_chains(prompt, made):
    assert calls(prompt) == made


def test_search_is_widened_when_it_finds_nothing():
    assert calls("Find the Oslo sofa") == [
        ("search_products", {"query": "Oslo sofa"}),
        ("search_products", {"query": "Oslo"}),
    ]


def test_several_that_fit_are_asked_about():
    result = shop().run_sync("Set the price of the lamp to 5")
    assert called(result.new_messages()) == [("search_products", {"query": "lamp"})]
    assert result.output == "Several fit: Oslo lamp (17), Oslo desk lamp (18). Which one do you mean?"


def test_nothing_is_changed_that_only_looks_alike():
    result = shop().run_sync("Set the price of the Oslo sofa to 5")
    assert [name for name, _ in called(result.new_messages())] == ["search_products", "search_products"]
    assert result.output == "Several fit: Oslo lamp (17), Oslo desk lamp (18). Which one do you mean?"
    result = shop().run_sync("Set the price of the Bergen table to 5")
    assert result.output == "I found nothing called “Bergen table”; the nearest is Bergen chair. Is that what you mean?"


def test_thing_that_is_not_there_is_told():
    result = shop().run_sync("Set the price of the Tromsø sofa to 5")
    assert result.output == "I found no product for “Tromsø sofa”, so I could not set price."


def test_missing_argument_is_asked_for():
    assert shop().run_sync("Set the price of product 17").output == "To set price I still need: price. Please tell me."


@pytest.mark.parametrize(
    "found",
    [
        "#17 Oslo lamp\n#18 Oslo desk lamp",
        "17: Oslo lamp\n18: Oslo desk lamp",
        "- Oslo lamp (id 17)\n- Oslo desk lamp (id 18)",
        '[{"id": 17, "name": "Oslo lamp"}, {"id": 18, "name": "Oslo desk lamp"}]',
        {"count": 2, "results": [{"id": 17, "title": "Oslo lamp"}, {"id": 18, "title": "Oslo desk lamp"}]},
        {"products": [{"pk": "17", "name": "Oslo lamp"}]},
        [{"product": {"id": 17, "name": "Oslo lamp"}, "name": "Oslo lamp"}],
        {"product_id": 17},
    ],
)
def test_ids_are_found_in_whatever_form(found):
    def find_products(query: str) -> Any:
        """Find products."""
        return found

    assert calls("Delete the Oslo lamp", find_products, delete_product)[1:] == [("delete_product", {"product_id": 17})]


def test_uuid_is_found_by_the_number_people_use():
    order = "0031b76f-594e-4d59-9123-878cb052852f"

    def list_orders(status: str | None = None) -> Any:
        """List orders."""
        return [{"uuid": order, "number": "A-1002"}, {"uuid": order.replace("3", "4"), "number": "A-1003"}]

    def set_order_status(order_id: UUID, status: str) -> str:
        """Set the status of an order."""
        return "ok"

    made = calls("Set the status of order A-1002 to shipped", list_orders, set_order_status)
    assert made == [("list_orders", {}), ("set_order_status", {"order_id": order, "status": "shipped"})]


def test_chain_of_three_tools():
    def list_reviews(product_id: int) -> Any:
        """List the reviews of a product."""
        return [{"id": 5, "rating": 2, "text": "Broken."}]

    def hide_review(review_id: int) -> str:
        """Hide a review."""
        return "Hidden."

    made = calls("Hide the review of the Bergen chair", search_products, list_reviews, hide_review)
    assert made == [
        ("search_products", {"query": "Bergen chair"}),
        ("list_reviews", {"product_id": 21}),
        ("hide_review", {"review_id": 5}),
    ]


def test_denied_call_is_told_and_not_repeated():
    agent = shop(Tool(delete_product, requires_approval=True), output_type=[str, DeferredToolRequests])
    waiting = agent.run_sync("Delete product 17")
    (call,) = waiting.output.approvals
    results = waiting.output.build_results(approvals={call.tool_call_id: ToolDenied("Not today.")})
    result = agent.run_sync(message_history=waiting.all_messages(), deferred_tool_results=results)
    assert result.output == "“delete product” was not done: Not today."
    assert called(result.new_messages()) == []


def test_approved_call_is_told():
    agent = shop(Tool(delete_product, requires_approval=True), output_type=[str, DeferredToolRequests])
    waiting = agent.run_sync("Delete product 17")
    (call,) = waiting.output.approvals
    results = waiting.output.build_results(approvals={call.tool_call_id: True})
    result = agent.run_sync(message_history=waiting.all_messages(), deferred_tool_results=results)
    assert result.output == "Done: delete product (product id 17)."


def test_failed_call_is_told_and_not_repeated():
    def refund_order(order_id: int) -> str:
        """Refund an order."""
        raise ToolFailed("The payment provider is away.")

    result = shop(refund_order).run_sync("Refund order 5")
    assert called(result.new_messages()) == [("refund_order", {"order_id": 5})]
    assert result.output == "“refund order” did not work: The payment provider is away."


def test_call_that_cannot_be_put_right_is_given_up():
    def publish_article(article_id: int) -> str:
        """Publish an article."""
        raise ModelRetry("The article has no title.")

    result = shop(publish_article, retries=3).run_sync("Publish article 3")
    assert called(result.new_messages()) == [("publish_article", {"article_id": 3})]
    assert result.output == "I could not use “publish article”: The article has no title."


def test_refused_call_is_told():
    def find_products(query: str, limit: int = 10) -> str:
        """Find products."""
        return f"{limit} at most."

    def least(ctx: Any, query: str, limit: int = 10) -> None:
        if limit > 50:
            raise ModelRetry("Fifty at most.")

    found = shop(Tool(find_products, args_validator=least), retries=3).run_sync("Find the first 90 lamps")
    assert called(found.new_messages()) == [("find_products", {"query": "lamp", "limit": 90})]
    assert found.output == "I could not use “find products”: Fifty at most."


def at_most_fifty(value: int) -> int:
    if value > 50:
        raise ValueError("Fifty at most.")
    return value


def test_refused_argument_is_left_out():
    def find_products(query: str, limit: Annotated[int, AfterValidator(at_most_fifty)] = 10) -> str:
        """Find products."""
        return f"{limit} at most."

    found = shop(find_products).run_sync("Find the first 90 lamps")
    assert called(found.new_messages()) == [
        ("find_products", {"query": "lamp", "limit": 90}),
        ("find_products", {"query": "lamp"}),
    ]
    assert found.output == "10 at most."


def test_rounds_are_limited():
    def search_things(query: str) -> Any:
        """Search things."""
        return []

    def delete_thing(thing_id: int) -> None:
        """Delete a thing."""

    result = shop(search_things, delete_thing).run_sync(
        "Delete the Red Box, then delete the Blue Cup. Delete the Old Jar and delete the New Pan. Delete the Dry Pot."
    )
    assert result.usage.requests <= 7


def test_conversation_is_remembered():
    agent = shop()
    history: list[ModelMessage] = []
    made = []
    for prompt in (
        "Find the Bergen chair",
        "Set its price to 70",
        "Which lamps are there?",
        "Set the price of the second one to 30",
        "Now show me its reviews",
        "Set the price of the Oslo lamp to 66",
        "Delete it",
    ):
        result = agent.run_sync(prompt, message_history=history)
        history = result.all_messages()
        made.append(called(result.new_messages()))
    assert made == [
        [("search_products", {"query": "Bergen chair"})],
        [("set_price", {"product_id": 21, "price": 70})],
        [("search_products", {"query": "lamp"})],
        [("set_price", {"product_id": 18, "price": 30})],
        [("list_reviews", {"product_id": 18})],
        [("set_price", {"product_id": 17, "price": 66})],
        [("delete_product", {"product_id": 17})],
    ]


def test_outcome_of_a_write_starts_nothing_new():
    def change_price(product_id: int, price: Decimal) -> dict[str, Any]:
        """Change a product's price."""
        return {"id": product_id, "name": "Oslo lamp", "price": str(price)}

    made = calls("Raise the price of the Oslo lamp by 10 %", search_products, change_price)
    assert made == [
        ("search_products", {"query": "Oslo lamp"}),
        ("change_price", {"product_id": 17, "price": 97.9}),
    ]


def test_set_price_by_name_only():
    assert calls("set oslo lamp price 55", search_products, set_price)[1:] == [
        ("set_price", {"product_id": 17, "price": 55})
    ]


def list_products() -> Any:
    """List all products."""
    return PRODUCTS


@pytest.mark.parametrize(
    ("prompt", "deleted"),
    [
        ("Delete all lamps", [17, 18]),
        ("Delete the Oslo lamp, that is all", [17]),
        ("Delete the chair", [21]),
        ("Delete all sofas", []),
        ("Delete the cheapest sofa", []),
        ("Delete the Bergen table", []),
        ("Delete the second sofa", []),
    ],
)
def test_only_what_was_named_is_changed(prompt, deleted):
    made = calls(prompt, list_products, delete_product)
    assert made == [("list_products", {}), *(("delete_product", {"product_id": number}) for number in deleted)]


def test_quoted_name_for_a_thing_and_its_new_name_are_told_apart():
    def rename_product(product_id: int, name: str, tags: list[str] | None = None) -> None:
        """Rename a product."""

    made = calls('Rename "Oslo lamp" to "Bergen chair"', list_products, rename_product)
    assert made[1:] == [("rename_product", {"product_id": 17, "name": "Bergen chair"})]
