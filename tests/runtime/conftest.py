"""Conversations of the tests of the engine."""

import pytest

from retinue.sessions.lifecycle import start_session
from retinue.types import Principal


@pytest.fixture
def session(listener, user):
    return start_session(Principal.of(user), "listener", context={"shop": 3, "lang": "en"})
