"""Approvals: tool calls that wait for a person."""
