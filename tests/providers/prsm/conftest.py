from collections.abc import Callable, Iterator

import pytest

from retinue.providers.prsm import PRSMClient
from tests.providers.prsm import server as prsm


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's own environment says of PRSM does not count."""
    monkeypatch.delenv("PRSM_API_URL", raising=False)
    monkeypatch.delenv("PRSM_API_KEY", raising=False)


@pytest.fixture
def guide() -> Iterator[prsm.PRSMServer]:
    with prsm.serving("guide") as server:
        yield server


@pytest.fixture
def node() -> Iterator[prsm.PRSMServer]:
    with prsm.serving("node") as server:
        yield server


@pytest.fixture(params=["guide", "node"])
def server(request: pytest.FixtureRequest) -> Iterator[prsm.PRSMServer]:
    """A service of each dialect in turn."""
    with prsm.serving(request.param) as server:
        yield server


@pytest.fixture
def client() -> Callable[..., PRSMClient]:
    """Makes a client of a server that waits next to nothing between attempts."""

    def make(server: prsm.PRSMServer, **options: object) -> PRSMClient:
        given = {"base_url": server.url, "api_key": prsm.KEY, "dialect": server.dialect, "timeout": 5}
        return PRSMClient(**{**given, "first_pause": 0.002, **options})

    return make
