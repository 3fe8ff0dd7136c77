"""What somebody may still use, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from django.utils.formats import date_format, localize
from django.utils.translation import gettext as _

from retinue.budgets.accounts import Balance, balance
from retinue.budgets.units import Span
from retinue.types import GUEST, USER, Principal

PLACES = Decimal("0.0001")
"""How exactly amounts are shown."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One budget of somebody as it stands now. Amounts are in `unit_name`."""

    unit: str
    unit_name: str
    limit: Decimal
    spent: Decimal
    reserved: Decimal
    available: Decimal
    percent: float
    renews: date | None
    sentence: str

    @property
    def is_used_up(self) -> bool:
        return self.available <= 0


def quotas(principal: Principal) -> list[Quota]:
    """Every budget that applies to somebody, his own first."""
    found = sorted(balance(principal), key=lambda state: not _is_own(state))
    return [_quota(state) for state in found]


def _quota(state: Balance) -> Quota:
    available = max(state.available, Decimal(0))
    return Quota(
        unit=state.unit,
        unit_name=state.unit_name,
        limit=state.limit,
        spent=state.spent,
        reserved=state.reserved,
        available=available,
        percent=state.percent,
        renews=state.renews,
        sentence=_sentence(state, available),
    )


def _is_own(state: Balance) -> bool:
    return state.budget.owner_type in (USER, GUEST)


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
    if not _is_own(state):
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
    return localize(Decimal(f"{amount.quantize(PLACES, rounding).normalize():f}"))
