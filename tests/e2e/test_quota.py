"""What is left to spend is always in sight, and the page says plainly when nothing is."""

from __future__ import annotations

from retinue.budgets.accounts import balance
from retinue.budgets.models import Budget
from tests.e2e.browsing import expect


def test_quota_goes_down_with_each_answer(visit, person):
    visitor = visit(person)
    visitor.open("/ai/")
    before = visitor["quota"].first.inner_text()
    assert before == "1000 credits left"
    visitor.ask("Go")
    visitor.sees("completed", "You said: Go")
    expect(visitor["quota"].first).not_to_have_text(before, use_inner_text=True)
    (left,) = balance(person, "credits")
    assert 0 < left.spent < left.limit


def test_used_up_quota_is_said_before_and_after_asking(site, visit, person):
    Budget.objects.create(owner_type="user", owner_key=person.pk, unit="credits", period="month", limit_steps=0)
    visitor = visit(person)
    visitor.open("/ai/")
    expect(visitor["quota-empty"].first).to_be_visible()
    visitor.ask("Go")
    expect(visitor.turn()["turn-error"]).to_be_visible()
    visitor.forgive("402")
    site.forgive()
