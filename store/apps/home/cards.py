"""What the front page says about an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from retinue.agents import AUTHENTICATED, PUBLIC
from retinue.agents.registry import all_agents
from retinue.conf import get_settings


@dataclass(frozen=True, kw_only=True)
class AgentCard:
    """An agent in the words of a visitor. `is_assistant`: it is the one that answers on the assistant's pages."""

    name: str
    purpose: str
    audience: str
    tools: list[str]
    is_assistant: bool


def agent_cards() -> list[AgentCard]:
    """One for each agent of the site, by name."""
    return [
        AgentCard(
            name=agent.name or "",
            purpose=agent.description or "",
            audience=_audience(agent.permission),
            tools=_tool_names(agent),
            is_assistant=agent.name == get_settings().assistant,
        )
        for agent in all_agents().values()
    ]


def _audience(permission: str | None) -> str:
    if permission is None:
        return _("Only superusers and the site itself may run it.")
    if permission == PUBLIC:
        return _("Everybody may run it.")
    if permission == AUTHENTICATED:
        return _("Everybody who is logged in may run it.")
    return _("Whoever has the permission %(permission)s may run it.") % {"permission": permission}


def _tool_names(agent: Any) -> list[str]:
    return [name for toolset in agent.toolsets for name in getattr(toolset, "tools", ())]
