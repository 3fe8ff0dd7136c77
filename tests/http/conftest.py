"""What the tests of the stream watch with."""

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client

from retinue.agents.registry import registered
from tests import servers
from tests.http.agents import AGENTS
from tests.processes.nursery import Nursery
from tests.processes.server import Address


@pytest.fixture
def ada(transactional_db, django_user_model):
    return django_user_model.objects.create_user("ada", "ada@example.com", "secret")


@pytest.fixture
def login():
    """Gives a client that is logged in as a user; without one, it is a visitor's."""

    def make(user=None):
        client = AsyncClient()
        if user is not None:
            client.force_login(user)
        return client

    return make


@pytest.fixture
def read():
    """Reads an address to its end; gives the response and its body."""

    async def get(client, address, headers):
        response = await client.get(address, headers=headers)
        if not response.streaming:
            return response, response.content
        return response, b"".join([part async for part in response])

    def call(client, address, **headers):
        return async_to_sync(get)(client, address, {name.replace("_", "-"): value for name, value in headers.items()})

    return call


@pytest.fixture
def site(transactional_db, tmp_path):
    """A web server that works, too: watchers and the run are in one process."""
    address = Address()
    nursery = Nursery("tests.http.agents", environment=servers.environment(connection, "tests.http.settings"))
    retinue = {"EMBEDDED_WORKER": True, "POLL_SECONDS": 0.02, "DEFAULT_BUDGETS": []}
    nursery.start(folder=str(tmp_path), port=address.port, retinue=retinue)
    address.until_answered()
    with registered(*AGENTS):
        yield address
    nursery.close()
    address.close()


@pytest.fixture
def session_of():
    """Logs a user in; gives what his browser keeps of it."""

    def make(user):
        client = Client()
        client.force_login(user)
        return client.cookies["sessionid"].value

    return make
