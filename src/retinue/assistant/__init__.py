"""The assistant site: pages to talk to agents, on top of sessions, streams and budgets."""
