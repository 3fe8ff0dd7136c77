"""Which models tests may ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic_ai import models

from retinue.runtime.calls import refuse_real_models


@contextmanager
def allow_model_requests() -> Iterator[None]:
    """Let real models be asked inside this block; in tests they are refused otherwise."""
    refuse_real_models()  # before the block, or the first run inside it would
    with _allowed(True):
        yield


@contextmanager
def _allowed(value: bool) -> Iterator[None]:
    before, models.ALLOW_MODEL_REQUESTS = models.ALLOW_MODEL_REQUESTS, value
    try:
        yield
    finally:
        models.ALLOW_MODEL_REQUESTS = before
