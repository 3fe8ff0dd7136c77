"""PRSM: a client of its HTTP interface, and a model that answers through it.

Names are imported on first use, so that reading the settings loads neither an HTTP client nor pydantic-ai.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retinue.providers.prsm.answers import PRSMAnswer, PRSMSession
    from retinue.providers.prsm.client import PRSMClient
    from retinue.providers.prsm.errors import PRSMError
    from retinue.providers.prsm.model import PRSMModel

__all__ = ["PRSMAnswer", "PRSMClient", "PRSMError", "PRSMModel", "PRSMSession"]

_MODULES = {
    "PRSMAnswer": "answers",
    "PRSMClient": "client",
    "PRSMError": "errors",
    "PRSMModel": "model",
    "PRSMSession": "answers",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
