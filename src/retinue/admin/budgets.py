"""Budgets: who may use how much, and what is left of it; giving more, and correcting what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retinue.admin.amounts import ADJUST, GRANT
from retinue.admin.balances import with_balances
from retinue.admin.budget_forms import BudgetForm
from retinue.admin.formatting import NOTHING, beneath, breakable, figure, usage_bar
from retinue.admin.owners import owned_by
from retinue.admin.readonly import LongTableAdmin
from retinue.budgets.models import Budget, BudgetPeriod
from retinue.budgets.units import Span, Unit, keys_at
from retinue.conf import get_settings

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

IDENTITY = ("owner_type", "owner_key", "unit", "period")
NOW = ("usage", "used_text", "held_text", "granted_text", "left_text", "last_reset", "renews", "ledger")


class OwnerTypeFilter(admin.ChoicesFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("owner")


class LastResetFilter(admin.SimpleListFilter):
    """By the period in which something was held or used last."""

    title = gettext_lazy("last reset")
    parameter_name = "last_reset"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        now = timezone.now()
        day, month = Span.DAY.key(now), Span.MONTH.key(now)
        return [
            (day, _("Today (%(day)s)") % {"day": day}),
            (month, _("This month (%(month)s)") % {"month": month}),
            ("earlier", _("Earlier")),
            ("never", _("Never used")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> QuerySet[Budget]:
        periods = BudgetPeriod.objects.using(get_settings().database).filter(budget=OuterRef("pk"))
        match self.value():
            case None:
                return queryset
            case "never":
                return queryset.exclude(Exists(periods))
            case "earlier":
                return queryset.filter(Exists(periods)).exclude(Exists(periods.filter(key__in=keys_at(timezone.now()))))
            case key:
                return queryset.filter(Exists(periods.filter(key=key)))


class BudgetList(ChangeList):
    """With the owners' names and how the budgets stand."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = with_balances(self.result_list)


@admin.register(Budget)
class BudgetAdmin(LongTableAdmin):
    form = BudgetForm
    actions = ("grant", "adjust")
    list_display = ("owner", "usage", "used", "held", "limit_now", "renews", "is_active")
    list_filter = (("owner_type", OwnerTypeFilter), "unit", "period", "is_active", LastResetFilter)
    search_fields = ("owner_key",)
    search_help_text = gettext_lazy("User name, e-mail address, group, or the key of an owner.")
    sortable_by = ()

    # --- the list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BudgetList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(owned_by(term)) if term else queryset), False

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, budget: Any) -> SafeString:
        return breakable(budget.owner_name)

    @admin.display(description=gettext_lazy("Usage %"))
    def usage(self, budget: Any) -> SafeString:
        return usage_bar(budget.state)

    @admin.display(description=gettext_lazy("used"))
    def used(self, budget: Any) -> str:
        return figure(budget.state.spent)

    @admin.display(description=gettext_lazy("held"))
    def held(self, budget: Any) -> str:
        return figure(budget.state.reserved)

    @admin.display(description=gettext_lazy("limit"))
    def limit_now(self, budget: Any) -> SafeString:
        return beneath(_with_unit(budget.state, budget.state.limit), Span(budget.period).label)

    @admin.display(description=gettext_lazy("renews"))
    def renews(self, budget: Any) -> str:
        day = budget.state.renews
        return NOTHING if day is None else date_format(day, "SHORT_DATE_FORMAT")

    # --- the page of one

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        budget = super().get_object(request, object_id, from_field)
        return budget and with_balances([budget])[0]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        limit = "limit" if self._may_write(request, obj) else "limit_text"
        owner = () if obj is None else ("owner",)
        limits = (None, {"fields": (*owner, *IDENTITY, limit, "is_active")})
        return (limits,) if obj is None else (limits, (_("In the period that is now"), {"fields": NOW}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return (*NOW, "owner", "limit_text", *(IDENTITY if obj.periods.filter(entries__gt=0).exists() else ()))

    def _may_write(self, request: HttpRequest, obj: Any) -> bool:
        return self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)

    @admin.display(description=gettext_lazy("limit"))
    def limit_text(self, budget: Budget) -> str:
        return Unit(budget.unit).describe(budget.limit_steps)

    @admin.display(description=gettext_lazy("used"))
    def used_text(self, budget: Any) -> str:
        return _with_unit(budget.state, budget.state.spent)

    @admin.display(description=gettext_lazy("held"))
    def held_text(self, budget: Any) -> str:
        return _with_unit(budget.state, budget.state.reserved)

    @admin.display(description=gettext_lazy("granted"))
    def granted_text(self, budget: Any) -> str:
        return _with_unit(budget.state, budget.state.limit - budget.limit)

    @admin.display(description=gettext_lazy("left"))
    def left_text(self, budget: Any) -> str:
        return _with_unit(budget.state, budget.state.available)

    @admin.display(description=gettext_lazy("last reset"))
    def last_reset(self, budget: Budget) -> str:
        begins = Span(budget.period).begins(timezone.now())
        return NOTHING if begins is None else date_format(begins, "SHORT_DATE_FORMAT")

    @admin.display(description=gettext_lazy("ledger"))
    def ledger(self, budget: Budget) -> SafeString:
        address = reverse("admin:retinue_ledgerentry_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?period__budget={}">{}</a>', address, budget.pk, _("All entries"))

    # --- saving

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was changed, so that a user's deletion in between stays as it is."""
        columns = {"limit": "limit_steps"}
        if not change:
            obj.save(using=get_settings().database)
        elif form.changed_data:
            obj.save(update_fields=[columns.get(name, name) for name in form.changed_data])
        (budget,) = with_balances([obj])
        if change and "limit" in form.changed_data and budget.state.available < 0:
            said = _("%(used)s are used or held already: runs are refused until there is room again.")
            messages.warning(
                request, said % {"used": _with_unit(budget.state, budget.state.spent + budget.state.reserved)}
            )

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """In words where the limit was changed: from what to what."""
        if add or "limit" not in form.changed_data:
            return super().construct_change_message(request, form, formsets, add)
        unit, after = Unit(form.instance.unit), form.instance.limit_steps
        before = unit.to_steps(form.initial["limit"])
        said = _("Changed the limit from %(before)s to %(after)s.") % {
            "before": unit.describe(before),
            "after": unit.describe(after),
        }
        others = [str(form.fields[name].label or name) for name in form.changed_data if name != "limit"]
        return f"{said} {_('Changed %(names)s.') % {'names': ', '.join(others)}}" if others else said

    # --- actions

    @admin.action(description=gettext_lazy("Grant: give more in this period"), permissions=["change"])
    def grant(self, request: HttpRequest, queryset: QuerySet[Budget]) -> HttpResponse | None:
        return GRANT.answer(self, request, queryset)

    @admin.action(description=gettext_lazy("Adjust: correct what was used"), permissions=["change"])
    def adjust(self, request: HttpRequest, queryset: QuerySet[Budget]) -> HttpResponse | None:
        return ADJUST.answer(self, request, queryset)


def _with_unit(state: Any, amount: Any) -> str:
    return f"{figure(amount)} {state.unit_name}"
