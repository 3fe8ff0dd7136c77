"""The tables of budgets. Counters and entries are written by `budgets.book` alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NoReturn

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from retinue.budgets.units import Span, Unit
from retinue.types import GUEST, USER, Principal, time_ordered_uuid

GROUP, EVERYONE = "group", "everyone"
SHARED = (GROUP, EVERYONE)


class OwnerType(models.TextChoices):
    USER = USER, _("User")
    GROUP = GROUP, _("Group")
    GUEST = GUEST, _("Guest")
    EVERYONE = EVERYONE, _("Everyone")


class Budget(models.Model):
    """A limit for someone: one user, all members of a group together, one guest, or everyone together.

    A run must fit into every budget that applies to its principal. `limit` is given in the budget's unit; the
    column counts in steps (10⁻⁹ of money and credits, ones of tokens and requests).
    """

    Unit = Unit
    Span = Span
    OwnerType = OwnerType

    owner_type = models.CharField(_("for"), max_length=10, choices=OwnerType)
    owner_key = models.CharField(
        _("key"),
        max_length=255,
        blank=True,
        help_text=_("The primary key of the user or group, the key of the guest; empty for everyone."),
    )
    unit = models.CharField(_("unit"), max_length=10, choices=Unit)
    period = models.CharField(_("period"), max_length=10, choices=Span, default=Span.MONTH)
    limit_steps = models.BigIntegerField(_("limit"), db_column="limit_steps")
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("An inactive budget neither limits nor counts.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    owner_name: str = ""
    """Whom it is for, as people know them, where that was looked up."""

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        ordering = ["owner_type", "owner_key", "unit", "period"]
        constraints = [
            models.UniqueConstraint(fields=["owner_type", "owner_key", "unit", "period"], name="retinue_budget_once"),
            models.CheckConstraint(condition=Q(limit_steps__gte=0), name="retinue_budget_limit"),
        ]

    def __str__(self) -> str:
        owner = self.owner_name or f"{self.get_owner_type_display()} {self.owner_key}".strip()
        return f"{owner}: {Unit(self.unit).describe(self.limit_steps)} {Span(self.period).label}"

    @property
    def is_shared(self) -> bool:
        """Whether others use it, too: how it stands is for those to see who may view budgets."""
        return self.owner_type in SHARED

    @property
    def limit(self) -> Decimal:
        """How much may be used in a period, grants left out."""
        return Unit(self.unit).to_amount(self.limit_steps)

    @limit.setter
    def limit(self, amount: Decimal | int | str) -> None:
        self.limit_steps = Unit(self.unit).to_steps(amount)

    @property
    def spent(self) -> Decimal:
        """What was used in the period that is now."""
        current = self.current()
        return Decimal(0) if current is None else current.spent

    @property
    def available(self) -> Decimal:
        """What is left in the period that is now, after what is held for runs that go on."""
        current = self.current()
        return self.limit if current is None else Unit(self.unit).to_amount(current.available_steps)

    def has(self, amount: Decimal | int | str) -> bool:
        """Whether so much is left now."""
        return self.available >= Decimal(str(amount))

    def charge(self, amount: Decimal | int | str, reason: str = "") -> None:
        """Use so much at once. Raises BudgetExceeded where it is not left."""
        from retinue.budgets.accounts import charge

        charge(self, amount, reason=reason)

    def current(self) -> BudgetPeriod | None:
        """The counters of the period that is now; None before anything happened in it."""
        return self.periods.filter(key=Span(self.period).key(timezone.now())).first()


class BudgetPeriod(models.Model):
    """The counters of a budget in one of its periods, in steps of the budget's unit."""

    budget = models.ForeignKey(Budget, verbose_name=_("budget"), on_delete=models.PROTECT, related_name="periods")
    key = models.CharField(_("period"), max_length=10)
    reserved_steps = models.BigIntegerField(_("held"), default=0)
    spent_steps = models.BigIntegerField(_("used"), default=0)
    granted_steps = models.BigIntegerField(_("granted"), default=0)
    entries = models.PositiveBigIntegerField(_("entries"), default=0)

    class Meta:
        verbose_name = _("budget period")
        verbose_name_plural = _("budget periods")
        ordering = ["-key"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "key"], name="retinue_period_once"),
            models.CheckConstraint(condition=Q(reserved_steps__gte=0), name="retinue_period_reserved"),
            models.CheckConstraint(condition=Q(spent_steps__gte=0), name="retinue_period_spent"),
        ]

    def __str__(self) -> str:
        return f"{self.budget} ({self.key})"

    @property
    def unit(self) -> Unit:
        return Unit(self.budget.unit)

    @property
    def reserved(self) -> Decimal:
        """What is set aside for runs that go on."""
        return self.unit.to_amount(self.reserved_steps)

    @property
    def spent(self) -> Decimal:
        """What was used."""
        return self.unit.to_amount(self.spent_steps)

    @property
    def granted(self) -> Decimal:
        """What was given on top of the limit, for this period."""
        return self.unit.to_amount(self.granted_steps)

    @property
    def limit_steps(self) -> int:
        return self.budget.limit_steps + self.granted_steps

    @property
    def available_steps(self) -> int:
        return self.limit_steps - self.reserved_steps - self.spent_steps


class Hold(models.Model):
    """Money that a site's own code set aside. Released after its time, should nobody settle it."""

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["expires_at"], condition=Q(closed_at=None), name="retinue_hold_open")]

    def __str__(self) -> str:
        return self.reason or str(self.pk)


class AppendOnly(models.QuerySet["LedgerEntry"]):
    def update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("The ledger is only ever added to.")

    def delete(self) -> NoReturn:
        raise TypeError("The ledger is only ever added to.")

    bulk_update = update

    def for_principal(self, principal: Principal) -> AppendOnly:
        return self.filter(period__budget__owner_type=principal.type, period__budget__owner_key=principal.key)


class LedgerEntry(models.Model):
    """One change of a period's counters. Only ever added, numbered in the order of commits.

    Amounts are in steps of the budget's unit. `reserved_steps`, `spent_steps` and `limit_steps` are as they stood
    after the entry, so that each entry proves itself.
    """

    class Kind(models.TextChoices):
        HOLD = "hold", _("Hold")
        SETTLE = "settle", _("Settlement")
        RELEASE = "release", _("Release")
        OVERAGE = "overage", _("Overage")
        CHARGE = "charge", _("Charge")
        GRANT = "grant", _("Grant")
        ADJUST = "adjust", _("Adjustment")

    period = models.ForeignKey(
        BudgetPeriod, verbose_name=_("period"), on_delete=models.PROTECT, related_name="ledger", db_index=False
    )
    number = models.PositiveBigIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    reserved_change = models.BigIntegerField(_("change of held"), default=0)
    spent_change = models.BigIntegerField(_("change of used"), default=0)
    granted_change = models.BigIntegerField(_("change of granted"), default=0)
    reserved_steps = models.BigIntegerField(_("held"))
    spent_steps = models.BigIntegerField(_("used"))
    limit_steps = models.BigIntegerField(_("limit"), help_text=_("Grants included."))
    reference = models.UUIDField(_("reference"), null=True, blank=True, help_text=_("The execution or the hold."))
    step = models.CharField(_("step"), max_length=400, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    made_by = models.CharField(_("made by"), max_length=255, blank=True, help_text=_("The key of the user."))
    created_at = models.DateTimeField(_("time"), default=timezone.now)

    objects = AppendOnly.as_manager()

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["period", "number"], name="retinue_ledger_number")]
        indexes = [
            models.Index(fields=["reference"], condition=~Q(reference=None), name="retinue_ledger_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("The ledger is only ever added to.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("The ledger is only ever added to.")

    @property
    def unit(self) -> Unit:
        return self.period.unit
