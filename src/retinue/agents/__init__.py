"""What an agent is: its dependencies, its tools' policies, and the registry."""

from retinue.agents.policy import AUTHENTICATED, PUBLIC, ToolPolicy

__all__ = ["AUTHENTICATED", "PUBLIC", "ToolPolicy"]
