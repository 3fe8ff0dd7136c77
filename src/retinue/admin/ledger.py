"""The ledger: every change of what budgets hold, to read and to take away as a file."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retinue.admin.formatting import NOTHING, breakable, change, figure, link, moment
from retinue.admin.owners import owned_by, owner_names, usernames
from retinue.admin.readonly import ReadOnlyAdmin
from retinue.budgets.models import LedgerEntry
from retinue.budgets.units import Unit
from retinue.conf import get_settings
from retinue.executions.models import AgentExecution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

EXPORTED = 100_000
"""How many entries a file holds at most."""
CHUNK = 1_000
COLUMNS = (
    "number",
    "time",
    "owner_type",
    "owner_key",
    "owner",
    "period",
    "kind",
    "unit",
    "held_change",
    "used_change",
    "granted_change",
    "held",
    "used",
    "limit",
    "reference",
    "step",
    "reason",
    "made_by",
)
LINKED = frozenset(
    f"{name}{lookup}" for name in ("period", "period__budget", "reference") for lookup in ("", "__exact")
)
"""What other pages filter by."""


class LedgerList(ChangeList):
    """With the names of owners and of those who made entries, and links to runs."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = look_at(self.result_list)


def look_at(entries: Iterable[LedgerEntry]) -> list[Any]:
    """Give each entry the names of people and the run that it is about, with four queries for all."""
    rows: list[Any] = list(entries)
    owners = owner_names({row.period.budget for row in rows})
    people = usernames(row.made_by for row in rows)
    runs = AgentExecution.objects.using(get_settings().database).only("pk", "agent_name")
    found = runs.in_bulk({row.reference for row in rows if row.reference is not None})
    for row in rows:
        row.owner_name = owners[row.period.budget_id]
        row.maker = people.get(row.made_by, row.made_by)
        row.execution = found.get(row.reference)
    return rows


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    actions = ["export_csv"]
    list_display = (
        "number",
        "time",
        "owner",
        "kind_name",
        "changes",
        "about",
        "reason",
        "held",
        "used",
        "limit",
        "period_key",
        "maker",
    )
    list_filter = ("kind", "period__budget__unit", "created_at")
    list_select_related = ("period__budget",)
    search_fields = ("reason",)
    search_help_text = gettext_lazy("User name, e-mail address, group or key of an owner; or the id of an execution.")
    sortable_by = ()
    ordering = ("-id",)
    fields = (
        "number",
        "time",
        "owner",
        "period_key",
        "kind_name",
        "changes",
        "held",
        "used",
        "limit",
        "about",
        "step",
        "reason",
        "maker",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LedgerList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        entry = super().get_object(request, object_id, from_field)
        return entry and look_at([entry])[0]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in LINKED or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = owned_by(term, "period__budget__")
        try:
            return queryset.filter(found | Q(reference=UUID(term))), False
        except ValueError:
            return queryset.filter(found), False

    # --- columns

    @admin.display(description=gettext_lazy("time"))
    def time(self, entry: LedgerEntry) -> str:
        return moment(entry.created_at)

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, entry: Any) -> SafeString:
        return breakable(entry.owner_name)

    @admin.display(description=gettext_lazy("period"))
    def period_key(self, entry: LedgerEntry) -> str:
        return entry.period.key

    @admin.display(description=gettext_lazy("kind"))
    def kind_name(self, entry: LedgerEntry) -> str:
        return entry.get_kind_display()

    @admin.display(description=gettext_lazy("changes"))
    def changes(self, entry: LedgerEntry) -> str:
        """By how much what went up or down, in words."""
        unit = entry.unit
        said = {
            _("held"): entry.reserved_change,
            _("used"): entry.spent_change,
            _("granted"): entry.granted_change,
        }
        return ", ".join(
            f"{name} {change(unit.to_amount(steps))} {unit.shown}" for name, steps in said.items() if steps
        )

    @admin.display(description=gettext_lazy("held"))
    def held(self, entry: LedgerEntry) -> str:
        return entry.unit.describe(entry.reserved_steps)

    @admin.display(description=gettext_lazy("used"))
    def used(self, entry: LedgerEntry) -> str:
        return entry.unit.describe(entry.spent_steps)

    @admin.display(description=gettext_lazy("limit"))
    def limit(self, entry: LedgerEntry) -> str:
        return entry.unit.describe(entry.limit_steps)

    @admin.display(description=gettext_lazy("execution"))
    def about(self, entry: Any) -> SafeString | str:
        if entry.execution is None:
            return NOTHING
        return link(entry.execution, entry.execution.agent_name, self.admin_site.name)

    @admin.display(description=gettext_lazy("made by"))
    def maker(self, entry: Any) -> str:
        return entry.maker or NOTHING

    # --- a file

    @admin.action(description=gettext_lazy("Export as CSV"), permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        if queryset.order_by()[: EXPORTED + 1].count() > EXPORTED:
            text = _("At most %(count)s entries are exported at once: filter them.")
            messages.error(request, text % {"count": EXPORTED})
            return None
        response = HttpResponse(
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="ledger.csv"'},
        )
        writer = csv.writer(response)
        writer.writerow(COLUMNS)
        writer.writerows(lines(queryset.select_related("period__budget").order_by("id")))
        return response


def lines(entries: QuerySet[LedgerEntry]) -> Iterator[list[Any]]:
    """The rows of a file, the oldest first; amounts are in the unit that stands in front of them."""
    chunk: list[LedgerEntry] = []
    for entry in entries.iterator(chunk_size=CHUNK):
        chunk.append(entry)
        if len(chunk) == CHUNK:
            yield from map(_line, look_at(chunk))
            chunk = []
    yield from map(_line, look_at(chunk))


def _line(entry: Any) -> list[Any]:
    unit: Unit = entry.unit
    budget = entry.period.budget
    counts = ("reserved_change", "spent_change", "granted_change", "reserved_steps", "spent_steps", "limit_steps")
    return [
        entry.number,
        entry.created_at.isoformat(),
        budget.owner_type,
        _harmless(budget.owner_key),
        _harmless(entry.owner_name),
        entry.period.key,
        entry.kind,
        _harmless(unit.shown),
        *(figure(unit.to_amount(getattr(entry, name))) for name in counts),
        entry.reference or "",
        _harmless(entry.step),
        _harmless(entry.reason),
        _harmless(entry.maker),
    ]


def _harmless(text: str) -> str:
    """Text that a spreadsheet would take for a formula is marked as text."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
