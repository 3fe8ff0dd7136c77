"""The front page."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from apps.products.models import Product
from retinue.executions.models import AgentExecution
from tests.store.factories import CategoryFactory, ProductFactory, ReviewFactory

pytestmark = pytest.mark.django_db


def record(user=None, prompt="Look", **values):
    execution = AgentExecution(
        agent_name="content_analyzer",
        user=user,
        principal_type="user" if user else "system",
        principal_key=str(user.pk) if user else "",
        input_prompt=prompt,
        **values,
    )
    execution.root = execution
    execution.save()
    return execution


def test_says_that_the_model_is_offline(client):
    page = client.get("/").text
    assert "Answers come from Retinue's offline model: rules, not a language model." in page
    assert '<code>RETINUE["MODEL"]</code> from the environment' in page
    assert "RETINUE_MODEL=openai:gpt-5-mini" in page


def test_says_who_answers_on_the_assistants_pages(client):
    response = client.get("/")
    assert [card.name for card in response.context["agents"] if card.is_assistant] == ["shop_guide"]
    assert response.text.count("It answers on the assistant’s pages.") == 1
    assert f'href="{reverse("ai_assistant:dashboard")}">Talk to the shop guide</a>' in response.text


@override_settings(RETINUE={"MODEL": "openai:gpt-5-mini", "EMBEDDED_WORKER": False})
def test_names_the_model_that_answers(client):
    page = client.get("/").text
    assert "openai:gpt-5-mini" in page
    assert "rules, not a language model" not in page


def test_counts_what_customers_see(client):
    product = ProductFactory(category=CategoryFactory(name="Light"))
    ReviewFactory.create_batch(2, product=product)
    ReviewFactory(product=ProductFactory(status=Product.Status.DRAFT))
    context = client.get("/").context
    assert (context["product_count"], context["review_count"]) == (1, 2)


def test_empty_shop_names_the_command(client):
    assert "python store/manage.py seed_demo" in client.get("/").text


def test_shows_the_agents_and_how_to_run_them(client):
    response = client.get("/")
    assert [(card.name, card.tools) for card in response.context["agents"]] == [
        ("assistant", []),
        ("catalogue_helper", ["search_products", "get_product", "low_stock", "set_stock", "set_price"]),
        ("content_analyzer", ["get_reviews"]),
        ("shop_guide", ["search_products", "get_product", "find_stocked_products", "summarise_reviews"]),
    ]
    assert "Everybody may run it." in response.text
    assert "Everybody who is logged in may run it." in response.text
    assert "Whoever has the permission products.view_product may run it." in response.text
    assert "python store/manage.py run_agent content_analyzer" in response.text


@pytest.mark.parametrize("who", ["nobody", "customer"])
def test_runs_are_for_staff(client, user, who):
    record(user, "A secret question")
    if who == "customer":
        client.force_login(user)
    page = client.get("/").text
    assert "A secret question" not in page
    assert "Recent runs" not in page


def test_staff_without_the_permission_see_their_own_runs(client, staff, user):
    record(staff, "Mine")
    record(user, "Not mine")
    client.force_login(staff)
    page = client.get("/").text
    assert "Mine" in page
    assert "Not mine" not in page


def test_staff_with_the_permission_see_the_newest_runs(client, staff, user):
    staff.user_permissions.add(Permission.objects.get(codename="view_agentexecution"))
    now = timezone.now()
    for age in range(10):
        record(user if age else None, f"Run {age}", created_at=now - timedelta(minutes=age))
    client.force_login(staff)
    response = client.get("/")
    assert [execution.input_prompt for execution in response.context["executions"]] == [f"Run {n}" for n in range(8)]
    assert "System" in response.text
    assert user.email in response.text


def test_budgets_are_linked_for_those_who_may_see_them(client, staff):
    client.force_login(staff)
    assert "/admin/retinue/budget/" not in client.get("/").text
    staff.user_permissions.add(Permission.objects.get(codename="view_budget"))
    assert 'href="/admin/retinue/budget/"' in client.get("/").text


def test_staff_without_runs_are_told_so(client, staff):
    client.force_login(staff)
    assert "Nothing has run yet." in client.get("/").text


def test_takes_three_queries_for_visitors(client, django_assert_num_queries):
    ProductFactory.create_batch(3)
    with django_assert_num_queries(3):  # products, reviews, departments
        client.get("/")


def test_favicon(client):
    response = client.get("/favicon.ico")
    assert (response.status_code, response.url) == (302, "/static/store/mark.svg")
