"""The agent that the store's assistant pages talk to here."""

from __future__ import annotations

from typing import Any

from retinue import AUTHENTICATED, DjangoAgent
from tests.e2e.model import model

helper = DjangoAgent("helper", permission=AUTHENTICATED, model=model)

AGENTS: list[Any] = [helper]
