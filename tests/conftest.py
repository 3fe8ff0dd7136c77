"""What holds for every test: no real model is asked, and the servers go when the tests end.

The database comes with the settings (see tests/servers.py): Django needs them before this file is read.
"""

import gc
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management.commands import flush
from django.db import connection
from django.test import TransactionTestCase
from pydantic_ai import models

from tests import emptying, servers

models.ALLOW_MODEL_REQUESTS = False
flush.Command = emptying.Flush
# A test kills workers, not the database server: no commit has to wait for the disk. The tests' processes inherit it.
os.environ.setdefault("PGOPTIONS", "-c synchronous_commit=off")

# The store's tests need the store's settings (pytest --ds tests.store.settings tests/store).
collect_ignore = ["store"] if settings.SETTINGS_MODULE == "tests.settings" else []

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server", "admin_user", "admin_client"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Any:
    """What is imported and collected stays until the end: looking through it for garbage is in vain, now and later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the database, and skip what is for another one."""
    for item in items:
        if _needs_database(item):
            item.add_marker("database")
        only_on = item.get_closest_marker("only_on")
        if only_on is not None and connection.vendor not in only_on.args:
            item.add_marker(pytest.mark.skip(reason=f"for {' or '.join(only_on.args)} only"))


def _needs_database(item: pytest.Item) -> bool:
    if "browser" in getattr(item, "fixturenames", ()):
        return False  # a page is the same on each; a test that is about more bears the mark itself
    test_class = getattr(item, "cls", None)
    return (
        item.get_closest_marker("django_db") is not None
        or (test_class is not None and issubclass(test_class, TransactionTestCase))
        or not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    )


def pytest_unconfigure() -> None:
    servers.stop()


@pytest.fixture(autouse=True)
def engine_ends() -> Any:
    """Close the engine's connections after a test that used it, before its rows are flushed away."""
    yield
    from retinue.runtime.loop.engine import close_engine

    close_engine()


@pytest.fixture
def user(db: None) -> Any:
    """A user without permissions."""
    return get_user_model().objects.create_user("ada", "ada@example.com", "secret")


@pytest.fixture
def listener() -> Any:
    """An agent that keeps what it is told: see tests.histories."""
    from retinue.agents.registry import registered
    from tests.histories import Listener

    listener = Listener()
    with registered(listener.agent):
        yield listener


@pytest.fixture
def grant() -> Callable[..., None]:
    """Gives a user permissions by their names."""
    return lambda user, *names: [user.user_permissions.add(permission(name)) for name in names]


@pytest.fixture
def revoke() -> Callable[..., None]:
    return lambda user, *names: [user.user_permissions.remove(permission(name)) for name in names]


def permission(name: str) -> Any:
    app_label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app_label, codename=codename)
