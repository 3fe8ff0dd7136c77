"""Every Python block of the README and of the pages under docs/ runs and gives what the page says."""

from contextlib import ExitStack
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.test import RequestFactory

import tests.shop
import tests.shop.models
from retinue.agents.registry import registered
from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.reader import Reader, imported
from tests.docs.services import services
from tests.shop.models import Product


def python_blocks(page):
    return [block for block in blocks(page) if block.language == "python" and not block.is_followed]


@pytest.fixture
def reader(transactional_db, grant):
    """Reads in a shop with two products, as a user who may change them."""
    user = get_user_model().objects.create_user("ada", "ada@example.com", "secret")
    grant(user, "shop.view_product", "shop.change_product")
    Product.objects.create(name="lamp", price=Decimal(40), stock=3)
    Product.objects.create(name="chair", price=Decimal(90), stock=0)
    request = RequestFactory().get("/", headers={"user-agent": "Firefox"})
    request.user = get_user_model().objects.get(pk=user.pk)
    with ExitStack() as stack:
        for name, module in (("shop", tests.shop), ("shop.models", tests.shop.models)):
            stack.enter_context(imported(module, name))
        stack.enter_context(registered())
        yield Reader(stack, {"user": request.user, "request": request})


@pytest.mark.parametrize(
    "page", [page for page in PAGES if python_blocks(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_snippets_of(page, reader):
    with services(page):
        for block in python_blocks(page):
            reader.read(block)
