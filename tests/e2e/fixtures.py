"""Fixtures of browser tests: of those here and of the store's. `served` says what is served."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from retinue.agents.registry import registered
from tests import servers
from tests.e2e.browsing import BrowserThread
from tests.e2e.site import Served, Site
from tests.e2e.visitor import Visitor
from tests.processes.nursery import Nursery

__all__ = ["browser", "nursery", "site", "visit"]


@pytest.fixture(scope="session")
def nursery(django_db_setup: None, served: Served) -> Iterator[Nursery]:
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # the store's folder is on it where that is tested
    started = Nursery(served.agents, environment={**servers.environment(connection, served.settings), **path})
    yield started
    started.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[BrowserThread]:
    thread = BrowserThread()
    yield thread
    thread.close()


@pytest.fixture
def site(served: Served, nursery: Nursery, transactional_db: None, tmp_path: Path) -> Iterator[Site]:
    """A web server and a worker. They may have nothing to complain of."""
    with registered(*import_module(served.agents).AGENTS):
        site = Site(nursery, tmp_path, **served.retinue)
        yield site
        site.close()
    if log := site.log():
        pytest.fail(f"The site's processes complained:\n{log}", pytrace=False)


@pytest.fixture
def visit(site: Site, browser: BrowserThread) -> Iterator[Callable[..., Visitor]]:
    """Makes a visitor: a user's or, without one, a guest's. Nothing may go wrong in anybody's browser."""
    visitors: list[Visitor] = []

    def make(user: Any = None, **options: Any) -> Visitor:
        visitors.append(Visitor(browser, site.url, user, **options))
        return visitors[-1]

    yield make
    if problems := [problem for visitor in visitors for problem in visitor.close()]:
        pytest.fail("In the browser:\n" + "\n".join(problems), pytrace=False)
