"""What the snippets of a page reach over the network: on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from retinue.testing import allow_model_requests
from tests.providers.prsm import server as prsm


@contextmanager
def services(page: Path) -> Iterator[None]:
    """For the time that a page is read."""
    if page.name != "prsm.md":
        yield
        return
    with prsm.serving() as server, allow_model_requests(), patch.dict(os.environ):
        os.environ.update(PRSM_API_URL=server.url, PRSM_API_KEY=prsm.KEY)
        yield
