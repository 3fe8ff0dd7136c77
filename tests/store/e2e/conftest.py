"""The store with its own agents, and the assistant's pages with one that follows a script."""

import pytest

from apps.users.models import User
from project.settings.base import RETINUE
from tests.e2e.fixtures import *  # noqa: F403
from tests.e2e.site import Served
from tests.store.factories import UserFactory

PASSWORD = "a good password"


@pytest.fixture(scope="session")
def served() -> Served:
    shared = {key: value for key, value in RETINUE.items() if key not in ("ASSISTANT", "PRICES")}
    examples = {agent: list(map(str, questions)) for agent, questions in RETINUE["ASSISTANT_EXAMPLES"].items()}
    told = {"MODEL": "offline:default", "ASSISTANT_EXAMPLES": examples}  # as JSON, to other processes
    return Served("tests.store.e2e.settings", "tests.store.e2e.agents", {**shared, **told})


@pytest.fixture
def person(transactional_db: None) -> User:
    """A customer with a password."""
    return UserFactory(email="ada@example.com", password=PASSWORD)
