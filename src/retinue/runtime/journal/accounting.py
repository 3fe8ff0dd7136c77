"""What a write changes in budgets: done in the write's own transaction, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from retinue.budgets.book import Book, Portion, outstanding
from retinue.errors import BudgetExceeded


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was used of a hold in one budget, and how much is to stay held."""

    held: tuple[Portion, ...]
    used: int
    keep: int = 0


@dataclass(slots=True, kw_only=True)
class Accounting:
    """The changes of one write. `held` is what it left held, once it is committed."""

    reference: UUID | None = None
    settlements: Sequence[Settlement] = ()
    wanted: Sequence[tuple[int, int]] = ()
    """`(budget id, steps)` to be held, all or nothing."""
    late: Sequence[tuple[int, int]] = ()
    """`(budget id, steps)` that were used though nothing is held for them any more."""
    release: Collection[UUID] = ()
    """Give back whatever the ledger says is still held under these."""
    step: str = ""
    reason: str = ""
    held: list[Portion] = field(default_factory=list)


def keep_accounts(alias: str, operations: Sequence[Any], results: list[Any]) -> None:
    """Change the budgets for those that were written. A hold that does not fit becomes the operation's result."""
    changes = [
        (position, operation.accounting)
        for position, operation in enumerate(operations)
        if getattr(operation, "accounting", None) is not None and not isinstance(results[position], BaseException)
    ]
    if not changes:
        return
    accountings = [accounting for _, accounting in changes]
    # Nobody else adds to these: their executions' rows are locked.
    forgotten = outstanding(alias, {pk for a in accountings for pk in a.release})
    book = Book(alias)
    book.open(
        budget_ids=sorted({pk for a in accountings for pk, _ in [*a.wanted, *a.late]}),
        period_ids=sorted(
            {p.period_id for a in accountings for s in a.settlements for p in s.held}
            | {p.period_id for portions in forgotten.values() for p in portions}
        ),
    )
    for accounting in accountings:
        about = {"reference": accounting.reference, "step": accounting.step, "reason": accounting.reason}
        accounting.held = [
            portion
            for settlement in accounting.settlements
            for portion in book.settle(settlement.held, settlement.used, keep=settlement.keep, **about)
        ]
    for accounting in accountings:
        for reference in accounting.release:
            book.release(forgotten.get(reference, []), reference=reference, reason=accounting.reason)
    for accounting in accountings:
        for budget_id, used in accounting.late:  # after what was held for it is given back
            book.settle_late(
                budget_id, used, reference=accounting.reference, step=accounting.step, reason=accounting.reason
            )
    for position, accounting in changes:
        if accounting.wanted:
            try:
                assert accounting.reference is not None
                accounting.held += book.hold(accounting.wanted, reference=accounting.reference)
            except BudgetExceeded as error:
                results[position] = error
    book.close()
