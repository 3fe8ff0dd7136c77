"""The page between: how much is given or corrected, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from retinue.admin.balances import with_balances
from retinue.admin.budget_forms import AmountForm
from retinue.admin.formatting import figure
from retinue.budgets.units import Unit
from retinue.errors import RetinueError

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from retinue.budgets.models import Budget

MOST = 500
"""How many budgets are changed at once."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that a person makes to what budgets hold: asked for on a page of its own, then made."""

    name: str
    """The name of the action, and of the function in `budgets.accounts`."""
    title: Any
    only_more: bool
    logged: Any

    def answer(self, admin: Any, request: HttpRequest, queryset: QuerySet[Budget]) -> HttpResponse | None:
        """The page that asks, or None once it is done (or refused): the list then says what came of it."""
        budgets = with_balances(queryset.order_by("pk")[: MOST + 1])
        units = sorted({Unit(budget.unit) for budget in budgets}, key=lambda unit: unit.shown)
        if len(budgets) > MOST:
            messages.error(request, _("Choose at most %(count)s budgets at once.") % {"count": MOST})
            return None
        if len(units) != 1:
            named = _(" and ").join(unit.shown for unit in units)
            messages.error(request, _("Choose budgets of one unit: these are in %(units)s.") % {"units": named})
            return None
        (unit,) = units
        form = AmountForm(request.POST if "apply" in request.POST else None, unit=unit, only_more=self.only_more)
        if form.is_valid():
            self._apply(admin, request, budgets, unit, form.cleaned_data)
            return None
        context = {
            **admin.admin_site.each_context(request),
            "title": self.title,
            "action": self.name,
            "budgets": budgets,
            "form": form,
            "opts": admin.opts,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "media": admin.media,
        }
        request.current_app = admin.admin_site.name
        return TemplateResponse(request, "admin/retinue/budget/amount.html", context)

    def _apply(self, admin: Any, request: HttpRequest, budgets: list[Any], unit: Unit, given: dict[str, Any]) -> None:
        """Each in a transaction of its own; what is refused is named."""
        from retinue.budgets import accounts

        make: Callable[..., Any] = getattr(accounts, self.name)
        said = {"amount": f"{figure(given['amount'])} {unit.shown}", "reason": given["reason"]}
        done = 0
        for budget in budgets:
            try:
                make(budget, given["amount"], reason=given["reason"], by=request.user)
            except RetinueError as error:
                messages.error(request, f"{budget.owner_name}: {error}")
                continue
            admin.log_change(request, budget, self.logged % said)
            done += 1
        if done:
            what = {**said, "count": done}
            text = ngettext(
                "%(title)s: %(amount)s for %(count)s budget.", "%(title)s: %(amount)s for %(count)s budgets.", done
            )
            messages.success(request, text % {**what, "title": self.title})


GRANT = Change(
    name="grant", title=gettext_lazy("Grant"), only_more=True, logged=gettext_lazy("Granted %(amount)s: %(reason)s")
)
ADJUST = Change(
    name="adjust",
    title=gettext_lazy("Adjust"),
    only_more=False,
    logged=gettext_lazy("Adjusted what was used by %(amount)s: %(reason)s"),
)
