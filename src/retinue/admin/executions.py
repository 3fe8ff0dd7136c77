"""Executions: a list to filter, and a page with everything that one did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models.functions import Left
from django.utils.formats import localize
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from retinue.admin.formatting import (
    NOTHING,
    agreed,
    amount,
    badge,
    beneath,
    block,
    charged,
    link,
    moment,
    seconds,
    shortened,
    who,
)
from retinue.admin.readonly import ReadOnlyAdmin
from retinue.admin.timeline import timeline
from retinue.approvals.models import Approval
from retinue.conf import get_settings
from retinue.errors import RetinueError
from retinue.executions.models import AgentExecution

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

RELATED = 100
"""How many delegated runs, and how many approvals, a page shows."""
HEAVY = ("input", "input_prompt", "output_data", "error_message")
"""Columns that a list does not need."""

TIME_AND_USE = (
    "created_at",
    "started_at",
    "completed_at",
    "work",
    "tokens_used",
    "costs",
    "charges",
    "quality_score",
    "rated",
)
MORE = (
    "id",
    "kind",
    "parent_link",
    "root_link",
    "path",
    "retry_link",
    "session_link",
    "replaces_link",
    "principal_type",
    "principal_key",
    "user",
    "queue",
    "priority",
    "run_after",
    "attempts",
    "attached",
    "stream",
    "from_cache",
    "lease_token",
    "lease_expires",
    "idempotency_key",
    "agent_digest",
    "given",
)


class AgentFilter(admin.SimpleListFilter):
    """By agent. The names come from the site's agents: looking for those in a million rows takes seconds."""

    title = _("agent")
    parameter_name = "agent_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        from retinue.agents.registry import all_agents

        try:
            return [(name, name) for name in all_agents()]
        except RetinueError:  # two agents of one name: a system check says so
            return []

    def queryset(self, request: HttpRequest, queryset: QuerySet[AgentExecution]) -> QuerySet[AgentExecution]:
        return queryset.filter(agent_name=self.value()) if self.value() else queryset


class ExecutionList(ChangeList):
    """Leaves out what may be long."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        light: QuerySet[Any] = rows.defer(*HEAVY).annotate(prompt_start=Left("input_prompt", 200))
        return light


@admin.register(AgentExecution)
class AgentExecutionAdmin(ReadOnlyAdmin):
    list_display = ("agent_name", "state", "acts_for", "prompt", "created", "costs_and_tokens")
    list_filter = ("status", AgentFilter, "created_at", "from_cache")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    sortable_by = ("created",)
    search_help_text = _("In prompts and user names; or the id of an execution.")

    def get_fieldsets(self, request: HttpRequest, obj: AgentExecution | None = None) -> Any:
        """What it was about, what it took (the steps come in between), and everything else."""
        outcome = "error" if obj is not None and obj.error_code else "output"
        return (
            (None, {"fields": ("agent_name", "state", "acts_for", "prompt_text", outcome)}),
            (_("Time and use"), {"fields": TIME_AND_USE}),
            (_("More"), {"classes": ("collapse",), "fields": MORE}),
        )

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("input_prompt", f"user__{get_user_model().USERNAME_FIELD}")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ExecutionList

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= _surroundings(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    # --- columns and fields

    @admin.display(description=_("status"))
    def state(self, execution: AgentExecution) -> SafeString:
        return badge(execution.status, execution.get_status_display())

    @admin.display(description=_("acts for"))
    def acts_for(self, execution: AgentExecution) -> SafeString:
        return who(execution)

    @admin.display(description=_("prompt"))
    def prompt(self, execution: AgentExecution) -> str:
        return shortened(execution.prompt_start, 50)  # type: ignore[attr-defined]

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, execution: AgentExecution) -> str:
        return moment(execution.created_at)

    @admin.display(description=_("prompt"))
    def prompt_text(self, execution: AgentExecution) -> SafeString:
        return block(execution.input_prompt)

    @admin.display(description=_("output"))
    def output(self, execution: AgentExecution) -> SafeString | str:
        if execution.status != execution.Status.COMPLETED:
            return NOTHING
        return block(execution.output_data)

    @admin.display(description=_("error"))
    def error(self, execution: AgentExecution) -> str:
        return f"{execution.error_message} ({execution.error_code})"

    @admin.display(description=_("execution time"))
    def work(self, execution: AgentExecution) -> str:
        return seconds(execution.execution_time)

    @admin.display(description=_("cost (USD)"))
    def costs(self, execution: AgentExecution) -> str:
        return amount(execution.cost, execution.tokens_used)

    @admin.display(description=_("cost (USD)"))
    def costs_and_tokens(self, execution: AgentExecution) -> SafeString:
        used = ngettext("%(count)s token", "%(count)s tokens", execution.tokens_used)
        return beneath(self.costs(execution), used % {"count": localize(execution.tokens_used)})

    @admin.display(description=_("charge"))
    def charges(self, execution: AgentExecution) -> str:
        return charged(execution.charge, execution.tokens_used)

    @admin.display(description=_("given"))
    def given(self, execution: AgentExecution) -> SafeString:
        return block(execution.given)

    @admin.display(description=_("parent"))
    def parent_link(self, execution: AgentExecution) -> SafeString | str:
        return self._link(execution.parent_id)

    @admin.display(description=_("root"))
    def root_link(self, execution: AgentExecution) -> SafeString | str:
        return self._link(execution.root_id)

    @admin.display(description=_("retry of"))
    def retry_link(self, execution: AgentExecution) -> SafeString | str:
        return self._link(execution.retry_of_id)

    @admin.display(description=_("session"))
    def session_link(self, execution: AgentExecution) -> SafeString | str:
        session = execution.session
        return NOTHING if session is None else link(session, session, self.admin_site.name)

    @admin.display(description=_("replaces"))
    def replaces_link(self, execution: AgentExecution) -> SafeString | str:
        return self._link(execution.replaces_id)

    @admin.display(description=_("rating"))
    def rated(self, execution: AgentExecution) -> str:
        if execution.rating is None:
            return NOTHING
        label = execution.get_rating_display()
        return f"{label}: {execution.rating_note}" if execution.rating_note else str(label)

    def _link(self, pk: UUID | None) -> SafeString | str:
        return NOTHING if pk is None else link(AgentExecution(pk=pk), pk, self.admin_site.name)


def _surroundings(execution: AgentExecution) -> dict[str, Any]:
    """The steps, the runs that it delegated, and what it asked people."""
    asked = {"execution": execution.pk} if execution.parent_id else {"execution__root": execution.pk}
    approvals = Approval.objects.using(get_settings().database).filter(**asked).select_related("execution")
    children = execution.children.defer(*HEAVY).order_by("pk")
    return {
        "timeline": timeline(execution),
        "children": [
            {
                "execution": child,
                "state": badge(child.status, child.get_status_display()),
                "work": seconds(child.execution_time),
                "cost": amount(child.cost, child.tokens_used),
                "charge": "" if child.charge is None else charged(child.charge, child.tokens_used),
            }
            for child in children[:RELATED]
        ],
        "approvals": [
            {
                "approval": approval,
                "state": badge(approval.status, approval.get_status_display()),
                "arguments": agreed(approval),
            }
            for approval in approvals.order_by("pk")[:RELATED]
        ],
    }
