"""The assistant's pages in the test project."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from tests.e2e.fixtures import *  # noqa: F403
from tests.e2e.site import Served

EXAMPLES = ["Which lamps cost less than 50?", "Write a text for the new oak table", "What sold best this week?"]


@pytest.fixture(scope="session")
def served() -> Served:
    return Served("tests.e2e.settings", "tests.e2e.agents", {"ASSISTANT_EXAMPLES": {"helper": EXAMPLES}})


@pytest.fixture
def person(transactional_db: None) -> Any:
    """A user who may do what the assistant's agent does."""
    return get_user_model().objects.create_user("ada", "ada@example.com", "a good password")
