"""The admin's pages under the store's Content-Security-Policy, whose violations a visitor notes."""

from __future__ import annotations

from decimal import Decimal

from apps.products.agents import catalogue_helper
from apps.users.models import User
from retinue.approvals.models import Approval
from retinue.budgets.accounts import grant
from retinue.budgets.models import LedgerEntry
from tests.e2e.browsing import expect
from tests.waiting import until


def test_admin_has_nothing_inline(site, visit, product_factory):
    boss = User.objects.create_superuser("boss@example.com")
    product = product_factory(name="Brass lamp", slug="brass-lamp", price=Decimal(40))
    execution = catalogue_helper.enqueue("Set the price of brass-lamp to 45", user=boss)
    budget = grant(boss, 5, reason="a gift").budget
    approval = until(Approval.objects.first)
    admin = visit(boss)
    for path in (
        "",
        "products/product/",
        f"products/product/{product.pk}/change/",
        "retinue/agentexecution/",
        f"retinue/agentexecution/{execution.pk}/change/",
        "retinue/approval/",
        f"retinue/approval/{approval.pk}/change/",
        "retinue/budget/",
        "retinue/budget/add/",
        f"retinue/budget/{budget.pk}/change/",
        "retinue/ledgerentry/",
        f"retinue/ledgerentry/{LedgerEntry.objects.get().pk}/change/",
        "retinue/worker/",
        "password_change/",
    ):
        page = admin.open(f"/admin/{path}")
        expect(page.locator("#content")).to_be_visible()
