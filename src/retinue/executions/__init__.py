"""Executions, their steps, and the workers that run them."""
