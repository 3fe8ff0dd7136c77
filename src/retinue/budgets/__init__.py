"""Limits for someone over a period, money set aside for a run, and the entries that record both."""
