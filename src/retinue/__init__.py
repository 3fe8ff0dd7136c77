"""AI agents for Django that act with each user's permissions and with every step on record.

Names are imported on first use, so that `import retinue` loads neither models nor pydantic-ai.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_ai import ModelRetry, RunContext, ToolFailed

    from retinue.agents.deps import DjangoDeps
    from retinue.agents.policy import AUTHENTICATED, PUBLIC, ToolPolicy
    from retinue.runtime.agent import DjangoAgent
    from retinue.runtime.result import AgentResult
    from retinue.types import SYSTEM, Principal

__version__ = "0.1.0"

__all__ = [
    "AUTHENTICATED",
    "PUBLIC",
    "SYSTEM",
    "AgentResult",
    "DjangoAgent",
    "DjangoDeps",
    "ModelRetry",
    "Principal",
    "RunContext",
    "ToolFailed",
    "ToolPolicy",
]

_MODULES = {
    "AUTHENTICATED": "retinue.agents.policy",
    "PUBLIC": "retinue.agents.policy",
    "SYSTEM": "retinue.types",
    "AgentResult": "retinue.runtime.result",
    "DjangoAgent": "retinue.runtime.agent",
    "DjangoDeps": "retinue.agents.deps",
    "ModelRetry": "pydantic_ai",
    "Principal": "retinue.types",
    "RunContext": "pydantic_ai",
    "ToolFailed": "pydantic_ai",
    "ToolPolicy": "retinue.agents.policy",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'retinue' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
