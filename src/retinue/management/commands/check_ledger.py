"""`manage.py check_ledger`: prove that the ledger and the counters of all budgets agree."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retinue.management.errors import in_one_sentence
from retinue.management.text import printable

if TYPE_CHECKING:
    from retinue.budgets.audit import Difference

NAMED = 1_000
"""How many differences are named."""


class Command(BaseCommand):
    help = (
        "Proves that the ledger and the counters of all budgets agree: no entry is missing, every sum is right, no "
        "limit was passed in silence, and nothing stays held for what has ended. Exits with 1 and names what differs."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        from retinue.budgets.audit import counts, differences, one_moment
        from retinue.conf import get_settings
        from retinue.management.database import require_tables

        alias = get_settings().database
        with in_one_sentence():
            require_tables()
            with one_moment(alias):
                periods, entries = counts(alias)
                found = list(islice(differences(alias), NAMED + 1))
        if options["json"]:
            said = {"periods": periods, "entries": entries, "differences": [described(each) for each in found[:NAMED]]}
            self.stdout.write(json.dumps({**said, "all_named": len(found) <= NAMED}, ensure_ascii=False))
        elif found:
            self.stdout.write("\n".join(printable(str(each)) for each in found[:NAMED]))
        if found:
            number = f"{len(found)}" if len(found) <= NAMED else f"More than {NAMED}"
            raise CommandError(f"The ledger does not add up. Differences: {number}.")
        if not options["json"]:
            self.stdout.write(f"{periods:,} periods, {entries:,} entries: sums agree")


def described(difference: Difference) -> dict[str, Any]:
    """A difference as JSON values."""
    period = difference.period
    return {
        "budget": period.budget_id,
        "budget_name": str(period.budget),
        "period": period.key,
        "what": difference.what,
        "expected": difference.expected,
        "found": difference.found,
    }
