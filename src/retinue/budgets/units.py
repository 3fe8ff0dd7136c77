"""What budgets count in, and for how long."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_UP, Decimal

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from retinue.conf import get_settings
from retinue.errors import InvalidInput

LARGEST = 2**62
"""The largest whole number that a counter may reach, with room to add two of them."""


class Unit(models.TextChoices):
    USD = "usd", _("US dollars")
    CREDITS = "credits", _("credits")
    TOKENS = "tokens", _("tokens")
    REQUESTS = "requests", _("requests")

    @property
    def scale(self) -> int:
        """How many steps one has: money and credits count in 10⁻⁹, tokens and requests in ones."""
        return 10**9 if self in (Unit.USD, Unit.CREDITS) else 1

    @property
    def shown(self) -> str:
        """The name that people see beside an amount."""
        match self:
            case Unit.USD:
                return "USD"
            case Unit.CREDITS:
                return get_settings().credits_name
            case _:
                return str(self.label)

    def to_steps(self, amount: Decimal | int | str) -> int:
        """The amount in whole steps, rounded up (away from zero). Raises InvalidInput for what is no such amount."""
        try:
            value = Decimal(str(amount)) * self.scale
            steps = int(value.to_integral_value(rounding=ROUND_UP)) if value.is_finite() else None
        except ArithmeticError:
            steps = None
        if steps is None:
            raise InvalidInput(f"{amount!r} is not an amount.")
        if self.scale == 1 and steps != value:
            raise InvalidInput(f"{self.label} are counted in whole numbers, not in {amount}.")
        if abs(steps) > LARGEST:
            raise InvalidInput(f"{amount} {self.shown} is more than can be counted.")
        return steps

    def to_amount(self, steps: int) -> Decimal:
        """So many steps as an amount."""
        return Decimal(steps) / self.scale

    def describe(self, steps: int) -> str:
        """An amount with its unit, for people."""
        return f"{self.to_amount(steps).normalize():f} {self.shown}"


class Span(models.TextChoices):
    TOTAL = "total", _("in total")
    MONTH = "month", _("a month")
    DAY = "day", _("a day")

    def key(self, now: datetime) -> str:
        """The period that a moment lies in, in the site's time zone: "total", "2026-11" or "2026-11-21"."""
        today = timezone.localdate(now, timezone.get_default_timezone())
        match self:
            case Span.TOTAL:
                return "total"
            case Span.MONTH:
                return f"{today:%Y-%m}"
            case Span.DAY:
                return f"{today:%Y-%m-%d}"

    def begins(self, now: datetime) -> date | None:
        """The first day of the period that a moment lies in; None where it never began."""
        today = timezone.localdate(now, timezone.get_default_timezone())
        match self:
            case Span.TOTAL:
                return None
            case Span.MONTH:
                return today.replace(day=1)
            case Span.DAY:
                return today

    def ends(self, now: datetime) -> date | None:
        """The first day after the period that a moment lies in; None where it never ends."""
        today = timezone.localdate(now, timezone.get_default_timezone())
        match self:
            case Span.TOTAL:
                return None
            case Span.MONTH:
                return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
            case Span.DAY:
                return today + timedelta(days=1)


def keys_at(now: datetime) -> list[str]:
    """The keys of all periods that a moment lies in."""
    return [span.key(now) for span in Span]
