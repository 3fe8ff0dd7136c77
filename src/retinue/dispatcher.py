"""The interface between queued work and whatever carries it to workers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.utils.module_loading import import_string

from retinue.conf import get_settings
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = {"worker": "retinue.dispatch.worker.WorkerDispatcher"}


class Dispatcher:
    """Tells workers that an execution can be claimed. The row is the truth: a lost message costs only time."""

    def dispatch(self, execution_id: UUID, queue: str) -> None:
        """Called after the commit that made the execution claimable."""
        raise NotImplementedError  # an interface: each dispatcher says how


def get_dispatcher() -> Dispatcher:
    """The dispatcher that `RETINUE["DISPATCHER"]` names: a short name or a dotted path."""
    name = get_settings().dispatcher
    try:
        factory: Callable[[], Dispatcher] = import_string(NAMES.get(name, name))
    except ImportError as error:
        raise ConfigurationError(f"RETINUE['DISPATCHER'] is {name!r}, which cannot be imported: {error}") from error
    return factory()
