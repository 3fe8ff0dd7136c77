"""What is typed about a budget: whose it is and how much it is; and how much is given or corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retinue.admin.formatting import figure
from retinue.admin.owners import find_group, find_user
from retinue.budgets.models import GROUP, Budget
from retinue.budgets.units import Unit
from retinue.errors import InvalidInput
from retinue.types import GUEST, USER

if TYPE_CHECKING:
    from decimal import Decimal

REASON_LENGTH = 200


def in_steps(unit: Unit, amount: Decimal) -> int:
    """An amount in whole steps. Raises a form's error for what cannot be counted in this unit."""
    try:
        return unit.to_steps(amount)
    except InvalidInput as error:
        raise forms.ValidationError(str(error)) from error


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A budget, with its limit in its unit."""

    limit = forms.DecimalField(label=gettext_lazy("Limit"), min_value=0, max_digits=28, decimal_places=9)

    class Meta:
        model = Budget
        fields = ("owner_type", "owner_key", "unit", "period", "is_active")
        error_messages = {
            NON_FIELD_ERRORS: {"unique_together": gettext_lazy("There is a budget of this unit and period already.")}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.fields.get("limit")
        if limit is not None:  # who may only look has no fields
            limit.help_text = _("In US dollars or credits with up to 9 decimals; tokens and requests in whole numbers.")
            if self.instance.pk:
                limit.label = _("Limit (%(unit)s)") % {"unit": Unit(self.instance.unit).shown}
                limit.help_text = _("For each period, without grants. Below what is used, it stops further runs.")
                self.initial["limit"] = figure(self.instance.limit)
        if "owner_key" in self.fields:
            self.fields["owner_key"].label = _("Owner")
            self.fields["owner_key"].help_text = _(
                "Of a user the name to log in with, of a group its name (or either's primary key); of a guest the key "
                "by which the site knows him. Empty for everyone."
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "owner_key" in self.fields and "owner_type" in cleaned:
            cleaned["owner_key"] = self._owner(cleaned["owner_type"], cleaned.get("owner_key", "").strip())
        unit = cleaned.get("unit") or self.instance.unit
        if unit and cleaned.get("limit") is not None:
            try:
                self.instance.limit_steps = in_steps(Unit(unit), cleaned["limit"])
            except forms.ValidationError as error:
                self.add_error("limit", error)
        return cleaned

    def _owner(self, owner_type: str, text: str) -> str:
        """The owner's key; an error where there is no such owner."""
        problem = ""
        if owner_type == USER:
            if (user := find_user(text)) is not None:
                return str(user.pk)
            problem = _("There is no user %(text)r.") if text else _("Name the user.")
        elif owner_type == GROUP:
            if (group := find_group(text)) is not None:
                return str(group.pk)
            problem = _("There is no group %(text)r.") if text else _("Name the group.")
        elif owner_type == GUEST and not text:
            problem = _("Give the guest's key.")
        elif owner_type == Budget.OwnerType.EVERYONE and text:
            problem = _("A budget for everyone has no owner.")
        if problem:
            self.add_error("owner_key", problem % {"text": text})
        return text


class AmountForm(forms.Form):
    """How much, and why."""

    amount = forms.DecimalField(max_digits=28, decimal_places=9)
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        help_text=gettext_lazy("It stays in the ledger."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    def __init__(self, *args: Any, unit: Unit, only_more: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unit, self._only_more = unit, only_more
        amount = self.fields["amount"]
        amount.label = _("Amount (%(unit)s)") % {"unit": unit.shown}
        if not only_more:
            amount.help_text = _("What is to count as used in addition; with a minus, what is not to count (a refund).")

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        if self._only_more and amount <= 0:
            raise forms.ValidationError(_("A grant is more than nothing."))
        if not amount:
            raise forms.ValidationError(_("Nothing would change."))
        in_steps(self._unit, amount)
        return amount
