"""A process whose threads hold from one budget as often as they are told to: `python -m tests.survival.holders ID`.

It says `ready`, waits for a line, tries, says how often it had its way and how often it was refused, keeps what it
has until the next line comes, settles every other hold and gives the rest back.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

AMOUNT, PRICE = Decimal("0.10"), Decimal("0.04")
THREADS, TRIES = 5, 50
"""Threads of a process, and tries of each."""


def try_often(budget: Any, stack: ExitStack) -> tuple[list[Any], int]:
    from django.db import connection

    from retinue.budgets.accounts import hold
    from retinue.errors import BudgetExceeded

    held, refused = [], 0
    for _ in range(TRIES):
        try:
            held.append(stack.enter_context(hold(budget, AMOUNT, unit="usd", reason="picture")))
        except BudgetExceeded:
            refused += 1
    connection.close()
    return held, refused


def main() -> None:
    import django

    django.setup()
    from retinue.budgets.models import Budget

    budget = Budget.objects.get(pk=sys.argv[1])
    stacks = [ExitStack() for _ in range(THREADS)]
    say("ready")
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as threads:
        tried = list(threads.map(lambda stack: try_often(budget, stack), stacks))
    held = [each for mine, _ in tried for each in mine]
    say(json.dumps({"held": len(held), "refused": sum(refused for _, refused in tried)}))
    sys.stdin.readline()
    for each in held[::2]:
        each.settle(PRICE)
    for stack in stacks:
        stack.close()
    say(json.dumps({"settled": len(held[::2])}))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
