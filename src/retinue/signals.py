"""Signals that a site can listen to."""

from django.dispatch import Signal

execution_finished = Signal()
"""An execution reached a final state. Arguments: `execution`. Sent after the commit, in the process that saw it."""

budget_overage = Signal()
"""A provider billed more than was held. Arguments: `period` (BudgetPeriod), `amount` (Decimal, in the budget's unit),
`reference` (the execution's id, or a hold's). Sent after the commit, in the process that saw it."""
