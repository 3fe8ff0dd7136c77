"""What somebody may still use, in plain words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from django.utils.formats import date_format, localize
from django.utils.translation import gettext as _

from retinue.budgets.accounts import Balance, balance
from retinue.budgets.models import Budget
from retinue.budgets.units import Span
from retinue.types import Principal

VIEW = "retinue.view_budget"
"""Who has this permission sees how budgets stand that he shares with others."""
FINE, COARSE = Decimal("0.0001"), Decimal("0.01")
"""How exactly amounts are shown: those below one, and the others."""


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much of a budget is used. In its unit."""

    limit: Decimal
    spent: Decimal
    reserved: Decimal
    available: Decimal
    percent: float


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One budget of somebody as it stands now. `amounts` is None where they are not for him to see."""

    unit: str
    unit_name: str
    renews: date | None
    is_used_up: bool
    sentence: str
    amounts: Amounts | None = None

    def as_json(self) -> dict[str, Any]:
        """The same as JSON has it: the amounts beside the rest, as numbers."""
        data = {name: value for name, value in asdict(self).items() if name != "amounts"}
        amounts = asdict(self.amounts) if self.amounts else {}
        return data | {name: float(value) for name, value in amounts.items()}


def quotas(principal: Principal, user: Any = None) -> list[Quota]:
    """The budgets that apply to somebody, his own first.

    Of those that he shares with others, `user` sees the amounts with the permission to view budgets; without it, only
    which of them are used up.
    """
    states = balance(principal)
    own = [_quota(state) for state in states if not state.budget.is_shared]
    shared = [state for state in states if state.budget.is_shared]
    if shared and user is not None and user.has_perm(VIEW):
        return own + [_quota(state) for state in shared]
    return own + [_closed(state) for state in shared if state.available <= 0]


def _quota(state: Balance) -> Quota:
    available = max(state.available, Decimal(0))
    amounts = Amounts(
        limit=state.limit,
        spent=state.spent,
        reserved=state.reserved,
        available=available,
        percent=state.percent,
    )
    return Quota(
        unit=state.unit,
        unit_name=state.unit_name,
        renews=state.renews,
        is_used_up=available <= 0,
        sentence=_sentence(state, available),
        amounts=amounts,
    )


def _closed(state: Balance) -> Quota:
    """A shared budget that is used up, for those who may not know how large it is."""
    is_everyones = state.budget.owner_type == Budget.OwnerType.EVERYONE
    said = _("The site's budget is used up.") if is_everyones else _("The budget of your group is used up.")
    if state.renews:
        said = f"{said} {_('You can ask again on %(date)s.') % {'date': date_format(state.renews, 'DATE_FORMAT')}}"
    return Quota(unit=state.unit, unit_name=state.unit_name, renews=state.renews, is_used_up=True, sentence=said)


def _sentence(state: Balance, available: Decimal) -> str:
    words = {
        "limit": shown(state.limit),
        "available": shown(available),
        "spent": shown(state.spent, ROUND_UP),
        "unit": state.unit_name,
        "span": _span(state),
        "date": date_format(state.renews, "DATE_FORMAT") if state.renews else "",
    }
    if available > 0:
        said = [_("%(available)s of %(limit)s %(unit)s %(span)s are left.") % words]
        if state.renews:
            said.append(_("They start anew on %(date)s.") % words)
    else:
        said = [_("The %(limit)s %(unit)s %(span)s are used up.") % words]
        if state.renews:
            said.append(_("You can ask again on %(date)s, or once you are granted more.") % words)
        else:
            said.append(_("You can ask again once you are granted more."))
    if state.budget.is_shared:
        said.append(_("You share them with others."))
    return " ".join(said)


def _span(state: Balance) -> str:
    match Span(state.budget.period):
        case Span.MONTH:
            return _("of this month")
        case Span.DAY:
            return _("of today")
        case Span.TOTAL:
            return _("in total")


def shown(amount: Decimal, rounding: str = ROUND_DOWN) -> str:
    """An amount as people read it."""
    places = FINE if abs(amount) < 1 else COARSE
    return localize(Decimal(f"{amount.quantize(places, rounding).normalize():f}"))
