"""From a model's name to the model."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from retinue.conf import get_settings
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic_ai.models import Model


def resolve_model(name: str) -> Model:
    """The model of this name. Raises ConfigurationError for an unknown name, or where a key is missing."""
    if name.startswith("offline:"):
        return _offline(name.partition(":")[2], get_settings().offline_latency)
    return _resolve(name)


@lru_cache(maxsize=8)
def _offline(name: str, latency: float) -> Model:
    from retinue.providers.offline import OfflineModel

    return OfflineModel(name, latency=latency)


@lru_cache(maxsize=64)
def _resolve(name: str) -> Model:
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models import infer_model

    try:
        return infer_model(name)
    except (UserError, ValueError, ImportError) as error:
        raise ConfigurationError(_explain(name, error)) from error


def _explain(name: str, error: Exception) -> str:
    variables = re.findall(r"`([A-Z][A-Z0-9_]*_API_KEY)`", str(error))
    if variables:
        return f"The model {name!r} needs a key: set the environment variable {' or '.join(variables)}."
    if isinstance(error, ImportError):
        return f"The model {name!r} needs a package that is not installed: {error}"
    return f"The model {name!r} cannot be used: {error}"
