"""How the budgets of a page stand, and whose they are."""

from __future__ import annotations

from typing import Any

from retinue.admin.owners import owner_names


def with_balances(budgets: Any) -> list[Any]:
    """Give each budget its owner's name and its balance, with four queries for all."""
    from retinue.budgets.accounts import balances

    rows = list(budgets)
    names = owner_names(rows)
    for state in balances(rows):
        state.budget.state, state.budget.owner_name = state, names[state.budget.pk]  # type: ignore[attr-defined]
    return rows
