"""Model fields of Retinue's own."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.lookups import IntegerGreaterThanOrEqual, IntegerLessThan
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

UNIT = Decimal("1e-9")
LIMIT = Decimal(2**63 - 1) * UNIT


def to_units(amount: Decimal) -> int:
    """The amount as a whole number of 10⁻⁹, rounded up (away from zero)."""
    return int((amount / UNIT).to_integral_value(rounding=ROUND_UP))


class AmountField(models.BigIntegerField):  # type: ignore[type-arg]
    """An amount of money or credits, stored as a whole number of 10⁻⁹ of its unit, given as a `Decimal`.

    SQLite keeps decimals as floats; whole numbers sum and compare exactly everywhere. In arithmetic of the
    database an amount must say that it is one: `F("cost") + Value(amount, AmountField())`.
    """

    description = _("Amount (in steps of 10⁻⁹)")

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> Decimal | None:
        return None if value is None else value * UNIT if value else Decimal(0)

    @cached_property
    def validators(self) -> list[Any]:
        return [MinValueValidator(-LIMIT), MaxValueValidator(LIMIT), *self._validators]  # type: ignore[attr-defined]

    def to_python(self, value: Any) -> Decimal | None:
        if value is None:
            return None
        try:
            amount = value if isinstance(value, Decimal) else Decimal(str(value))
        except ArithmeticError:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise ValidationError(_("“%(value)s” is not an amount."), params={"value": value})
        return amount

    def get_prep_value(self, value: Any) -> int | None:
        amount = self.to_python(value)
        return None if amount is None else to_units(amount)


# Those of whole numbers round a float up first, to whole dollars here.


@AmountField.register_lookup
class _GreaterThanOrEqual(IntegerGreaterThanOrEqual):
    def get_prep_lookup(self) -> Any:
        self.rhs = _exact(self.rhs)
        return super().get_prep_lookup()


@AmountField.register_lookup
class _LessThan(IntegerLessThan):
    def get_prep_lookup(self) -> Any:
        self.rhs = _exact(self.rhs)
        return super().get_prep_lookup()


def _exact(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, float) else value
