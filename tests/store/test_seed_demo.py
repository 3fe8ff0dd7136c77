"""The demonstration data."""

from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.progress import ProgressBar
from apps.products.models import Category, Product, Review
from apps.users.demo import CUSTOMER, STAFF
from apps.users.models import User
from retinue.budgets.models import Budget
from retinue.executions.models import AgentExecution
from retinue.sessions.models import AISession

pytestmark = pytest.mark.django_db
MODELS = (Category, Product, Review, User)


class Terminal(StringIO):
    def isatty(self):
        return True


def seed(out=None, **options):
    out = out or StringIO()
    call_command("seed_demo", stdout=out, **{"logins": True, **options})
    return out.getvalue()


def counts():
    return [model.objects.count() for model in MODELS]


def test_twice_makes_the_same_as_once():
    assert "Made 13 categories, 40 products, 150 reviews, 2 logins, 2 budgets, 0 conversations." in seed()
    assert counts() == [13, 40, 150, 2]
    assert "All demonstration data is there already." in seed()
    assert counts() == [13, 40, 150, 2]


def test_makes_only_what_is_missing_and_changes_nothing():
    seed()
    product = Product.objects.get(slug="heron-floor-lamp")
    product.price = Decimal("1.00")
    product.save()
    Product.objects.get(slug="fell-tent").delete()
    assert "Made 0 categories, 1 products, 4 reviews, 0 logins, 0 budgets, 0 conversations." in seed()
    assert counts() == [13, 40, 150, 2]
    product.refresh_from_db()
    assert product.price == Decimal("1.00")


def test_reads_like_a_shop():
    seed()
    assert Product.objects.published().count() == 40
    assert Product.objects.in_stock().count() == 37
    assert set(Category.objects.get(slug="outdoor").get_descendants().values_list("slug", flat=True)) == {
        "garden",
        "camping",
    }
    assert set(Review.objects.values_list("rating", flat=True)) == {1, 2, 3, 4, 5}
    for product in Product.objects.prefetch_related("reviews"):
        assert not product.picture.endswith("other.svg")
        assert all(review.created_at > product.created_at for review in product.reviews.all())
        product.full_clean()
    for review in Review.objects.all():
        review.full_clean()


def test_logins_are_two_and_work():
    output = seed()
    for login in (CUSTOMER, STAFF):
        assert login.email in output
        assert login.password in output
        assert authenticate(username=login.email, password=login.password).is_staff is login.is_staff
    assert not User.objects.filter(is_superuser=True).exists()


def test_staff_may_look_change_products_and_decide():
    seed()
    staff = User.objects.get(email=STAFF.email)
    permissions = staff.get_all_permissions()
    assert {"products.view_product", "products.change_product", "products.view_review"} <= permissions
    assert {"retinue.view_agentexecution", "retinue.view_approval", "retinue.decide_approval"} <= permissions
    assert {"retinue.view_budget", "retinue.change_budget", "retinue.view_ledgerentry"} <= permissions
    assert not {"products.delete_product", "products.add_product", "users.view_user"} & permissions
    assert User.objects.get(email=CUSTOMER.email).get_all_permissions() == set()


def test_budgets_are_for_the_staff_and_for_everyone():
    seed()
    assert [str(budget) for budget in Budget.objects.order_by("pk")] == [
        f"Group {Group.objects.get().pk}: 2 USD a month",
        "Everyone: 10 USD a month",
    ]


def test_public_passwords_are_not_made_without_debug():
    out = StringIO()
    call_command("seed_demo", stdout=out)
    assert "No logins were made, since DEBUG is off" in out.getvalue()
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_conversations_are_of_the_customer_and_made_once(settings):
    settings.RETINUE = {**settings.RETINUE, "OFFLINE_LATENCY": 600, "MODEL": "openai:none"}  # neither is used
    assert "2 conversations." in seed(conversations=True)
    ada = User.objects.get(email=CUSTOMER.email)
    asked = AgentExecution.objects.order_by("created_at")
    assert [(run.session.title, run.status, run.user) for run in asked] == [
        ("Which lamps do you have?", "completed", ada),
        ("Which lamps do you have?", "completed", ada),
        ("Which chairs are in stock?", "completed", ada),
    ]
    assert "Heron Floor Lamp" in asked[1].answer
    assert "All demonstration data is there already." in seed(conversations=True)
    AISession.objects.all().delete()
    assert "All demonstration data is there already." in seed(conversations=True)


def test_progress_is_shown_on_a_terminal_only():
    assert "\r" not in seed()
    Product.objects.all().delete()
    output = seed(Terminal())
    assert "\rDemonstration data [" in output
    assert f"[{'#' * 30}] 40/40\n" in output


def test_progress_bar_of_nothing():
    out = Terminal()
    out_wrapper = type("Out", (), {"isatty": out.isatty, "flush": out.flush})()
    out_wrapper.write = lambda text, ending="\n": out.write(text + ending)
    ProgressBar(out_wrapper, "Rows")(0, 0)
    assert "0/0" in out.getvalue()


def test_repeating_it_is_cheap():
    seed()
    with CaptureQueriesContext(connection) as queries:
        seed()
    assert len(queries) < 80
