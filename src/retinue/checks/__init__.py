"""System checks: a wrong setting is said here, with what to do, not in a crash later.

retinue.E001  an unknown key in RETINUE
retinue.E002  RETINUE is not a dict
retinue.E003  a value of the wrong type
retinue.E004  a value out of its range
retinue.E005  something that a dotted path names cannot be used
retinue.E006  TOOL_TRANSACTION_SECONDS or HEARTBEAT_SECONDS too long for LEASE_SECONDS
retinue.E007  SQLite without the options that this work needs (under DEBUG: retinue.W007)
retinue.E008  an entry of MODELS or a price that cannot be used
retinue.E015  the assistant site lacks an app, a middleware or a package
retinue.E017  EVENTS names a Redis server, and its package is not installed

With `check --deploy`, and when a worker starts (these load the agents):

retinue.W010  the offline model answers in production
retinue.E011  the agents cannot be loaded, or two have one name
retinue.W012  a permission that the site does not have
retinue.W013  a model that cannot be used
retinue.E016  ASSISTANT, GUEST_AGENTS or ASSISTANT_EXAMPLES names an agent that cannot be used there
retinue.W014  an agent whose model has no known price, where a budget of money applies
"""

from retinue.checks.agents import check_agents, check_offline_model
from retinue.checks.database import check_sqlite
from retinue.checks.settings import check_settings

__all__ = ["check_agents", "check_offline_model", "check_settings", "check_sqlite"]
