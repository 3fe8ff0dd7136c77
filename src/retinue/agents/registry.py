"""Every agent of the site, found in the `agents` module of each installed app."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from retinue.errors import DuplicateAgent, UnknownAgent

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent

_lock = threading.RLock()
_agents: dict[str, DjangoAgent[Any, Any]] | None = None
_places: dict[str, str] = {}
_extra: dict[str, DjangoAgent[Any, Any]] = {}


def all_agents() -> dict[str, DjangoAgent[Any, Any]]:
    """Every agent by its name, in the order of names. Discovers them on first use."""
    global _agents
    with _lock:
        if _agents is None:
            _agents = _discover()
        return dict(sorted({**_agents, **_extra}.items()))


def get_agent(name: str) -> DjangoAgent[Any, Any]:
    """The agent of that name. Raises UnknownAgent, which names near matches."""
    if _agents is not None and (found := _extra.get(name) or _agents.get(name)):
        return found
    agents = all_agents()
    if name in agents:
        return agents[name]
    near = get_close_matches(name, agents, 3)
    known = f"Did you mean {' or '.join(near)}?" if near else f"Known are: {', '.join(agents) or 'none'}."
    raise UnknownAgent(f"There is no agent named {name!r}. {known}")


def place_of(name: str) -> str:
    """Where an agent is defined, as `module:attribute`."""
    return _places.get(name, "")


def is_registered(agent: DjangoAgent[Any, Any]) -> bool:
    return all_agents().get(agent.name) is agent


@contextmanager
def registered(*agents: DjangoAgent[Any, Any]) -> Iterator[None]:
    """Have these agents in the registry for a while, as tests want it."""
    before = dict(_extra)
    _extra.update({agent.name: agent for agent in agents})
    try:
        yield
    finally:
        _extra.clear()
        _extra.update(before)


def _discover() -> dict[str, DjangoAgent[Any, Any]]:
    from django.apps import apps
    from django.utils.module_loading import module_has_submodule

    found: dict[str, DjangoAgent[Any, Any]] = {}
    _places.clear()
    for config in apps.get_app_configs():
        if config.name == "retinue" or not module_has_submodule(config.module, "agents"):
            continue
        module = import_module(f"{config.name}.agents")
        for attribute, agent in _agents_in(vars(module)):
            _add(found, agent, f"{module.__name__}:{attribute}")
    return found


def _agents_in(namespace: dict[str, Any]) -> list[tuple[str, DjangoAgent[Any, Any]]]:
    # The registry lies below the class it holds: an agent is known by the mark that its class carries.
    return [(name, value) for name, value in namespace.items() if getattr(type(value), "is_retinue_agent", False)]


def _add(found: dict[str, DjangoAgent[Any, Any]], agent: DjangoAgent[Any, Any], place: str) -> None:
    known = found.setdefault(agent.name, agent)
    if known is not agent:
        raise DuplicateAgent(
            f"Two agents are named {agent.name!r}: {_places[agent.name]} and {place}. "
            "A name is persisted identity; rename one of them."
        )
    _places.setdefault(agent.name, place)
