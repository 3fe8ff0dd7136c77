"""A budget is never overspent: not by many processes at once, and not by those that die."""

import json
from decimal import Decimal

import pytest

from retinue.budgets.models import LedgerEntry
from retinue.executions.models import AgentExecution
from tests.budgets.ledger import budget, check, check_settled, entries, settled_steps
from tests.priced import CREDITS, PRICES, TOKENS, USD
from tests.survival.agents import subject
from tests.survival.holders import AMOUNT, PRICE, THREADS, TRIES
from tests.survival.partner import Partner

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 4


def test_thousand_holds_at_once_never_exceed_the_limit(user):
    limit = Decimal("5.00")
    mine = budget(user, "usd", limit)
    holders = [Partner("tests.survival.holders", mine.pk) for _ in range(PROCESSES)]
    try:
        assert [holder.line() for holder in holders] == ["ready"] * PROCESSES
        for holder in holders:
            holder.go_on()
        tried = [json.loads(holder.line()) for holder in holders]
        fit, tries = int(limit / AMOUNT), PROCESSES * THREADS * TRIES
        assert (tries, fit) == (1000, 50)
        assert sum(each["held"] for each in tried) == fit
        assert sum(each["refused"] for each in tried) == tries - fit
        assert (mine.current().reserved, mine.spent, mine.available) == (limit, 0, 0)
        assert entries(mine) == ["hold"] * fit
        check()
        for holder in holders:
            holder.go_on()
        settled = sum(json.loads(holder.line())["settled"] for holder in holders)
    finally:
        for holder in holders:
            holder.end()
    assert mine.spent == settled * PRICE
    assert sorted(entries(mine)) == ["hold"] * fit + ["release"] * (fit - settled) + ["settle"] * settled
    check_settled()


@pytest.mark.parametrize(("prompt", "answers"), [("a note @go:note done", 3), ("a @go:note note done", 3)])
def test_run_whose_worker_is_killed_is_paid_for_once(stage, user, settings, prompt, answers):
    retinue = {"PRICES": PRICES, "DEFAULT_BUDGETS": []}
    settings.RETINUE = retinue
    budgets = [budget(user, "usd", 1), budget(user, "credits", 100), budget("everyone", "tokens", 100_000)]
    execution = subject.enqueue(prompt, user=user)
    first = stage.start(**retinue)
    stage.until_asked(execution, prompt.split(" ").index("@go:note") - 1, by=first)
    check()
    assert LedgerEntry.objects.filter(kind="hold").exists()
    first.kill()
    stage.gates.open("go")
    stage.start(**retinue)
    stage.until_status("completed", execution)
    execution = AgentExecution.objects.get(pk=execution.pk)
    assert [execution.cost, execution.charge, execution.tokens_used] == [
        answers * USD, answers * CREDITS, answers * TOKENS,
    ]  # fmt: skip
    assert [each.spent for each in budgets] == [execution.cost, execution.charge, execution.tokens_used]
    for each in budgets:
        assert len(set(settled_steps(each))) == len(settled_steps(each)) == answers
    assert set(LedgerEntry.objects.filter(reason="its process died").values_list("kind", flat=True)) == {"release"}
    check_settled()
