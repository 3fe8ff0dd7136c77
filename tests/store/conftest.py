"""Fixtures of the shop."""

from typing import Any

import pytest

from apps.products.models import Product
from apps.users.models import User
from tests.store.factories import CategoryFactory, ProductFactory, UserFactory


@pytest.fixture
def user(db: None) -> User:
    """A customer."""
    return UserFactory()


@pytest.fixture
def staff(db: None) -> User:
    """A member of staff without permissions."""
    return UserFactory(is_staff=True)


@pytest.fixture
def category(db: None) -> Any:
    return CategoryFactory()


@pytest.fixture
def product_factory(db: None) -> type[ProductFactory]:
    return ProductFactory


@pytest.fixture
def lamp(db: None) -> Product:
    return ProductFactory(
        name="Heron Floor Lamp",
        price="268.00",
        stock=8,
        category=CategoryFactory(name="Lamps"),
        description="Tall.",
    )
