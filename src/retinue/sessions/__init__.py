"""Conversations: executions that share history."""
