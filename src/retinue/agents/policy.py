"""Who may run an agent, and what a tool may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

AUTHENTICATED = "retinue:authenticated"
"""Permission of an agent that every active user may run."""
PUBLIC = "retinue:public"
"""Permission of an agent that guests may run, too."""

Effects: TypeAlias = Literal["database", "external", "none", "delegate"]
OnUncertain: TypeAlias = Literal["ask", "retry", "fail"]
ApprovalRule: TypeAlias = bool | Callable[..., Any]
METADATA_KEY = "retinue"


class DefaultTTL:
    """Stands for the site's `APPROVAL_TTL`; `None` means for ever."""

    def __repr__(self) -> str:
        return "DEFAULT_TTL"


DEFAULT_TTL = DefaultTTL()


@dataclass(frozen=True, kw_only=True)
class ToolPolicy:
    """What a tool may do, who may use it, and what a crash in it can leave behind.

    `permission`: a Django permission, or None for whoever may run the agent.
    `effects`: `"database"` (one transaction with its journal row), `"external"` (a started mark is
    committed first), `"none"` (reads only) or `"delegate"` (runs other agents).
    `on_uncertain`: what becomes of an external call that a crash interrupted.
    `approval`: whether a person must agree: True, or a function of the context and the arguments.
    `approval_ttl`: seconds until an open approval is denied; None for ever.
    """

    permission: str | None = None
    effects: Effects = "external"
    on_uncertain: OnUncertain = "ask"
    approval: ApprovalRule = False
    approval_ttl: float | DefaultTTL | None = DEFAULT_TTL

    def __post_init__(self) -> None:
        if self.effects not in get_args(Effects):
            raise ValueError(f"effects={self.effects!r} is not one of {', '.join(map(repr, get_args(Effects)))}.")
        if self.on_uncertain not in get_args(OnUncertain):
            choices = ", ".join(map(repr, get_args(OnUncertain)))
            raise ValueError(f"on_uncertain={self.on_uncertain!r} is not one of {choices}.")
        if self.permission is not None and not is_permission(self.permission):
            raise ValueError(f"permission={self.permission!r} is not of the form 'app_label.codename'.")


EXTERNAL = ToolPolicy()
"""The policy of a tool that says nothing, as those of toolsets and MCP servers do."""


def is_permission(name: str) -> bool:
    """Whether the name has the form of a Django permission."""
    app_label, dot, codename = name.partition(".")
    return bool(app_label and dot and codename)


def policy_of(tool_def: Any) -> ToolPolicy:
    """The policy in a tool definition's metadata, or that of an external tool."""
    found = (tool_def.metadata or {}).get(METADATA_KEY)
    return found if isinstance(found, ToolPolicy) else EXTERNAL
