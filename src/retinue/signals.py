"""Signals that a site can listen to."""

from django.dispatch import Signal

execution_finished = Signal()
"""An execution reached a final state. Arguments: `execution`. Sent after the commit, in the process that saw it."""
