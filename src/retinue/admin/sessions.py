"""Conversations: whose they are, and what was said."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from retinue.admin.formatting import NOTHING, badge, block, link, moment, shortened, who
from retinue.admin.readonly import ReadOnlyAdmin
from retinue.conf import get_settings
from retinue.executions.models import AgentExecution
from retinue.sessions.models import AISession

SHOWN = 100
"""How many messages a page shows: the newest."""


@admin.register(AISession)
class AISessionAdmin(ReadOnlyAdmin):
    list_display = ("session_id", "acts_for", "title", "agent_name", "updated", "is_active")
    list_filter = ("is_active", "created_at")
    list_select_related = ("user",)
    ordering = ("-updated_at",)
    sortable_by = ("updated",)
    search_help_text = _("In titles and user names.")
    fields = (
        "session_id",
        "acts_for",
        "title",
        "agent_name",
        "is_active",
        "policy",
        "created_at",
        "updated_at",
        "given",
        "messages",
    )

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("title", f"user__{get_user_model().USERNAME_FIELD}")

    @admin.display(description=_("user"))
    def acts_for(self, session: AISession) -> SafeString:
        return who(session)

    @admin.display(description=_("last message"), ordering="updated_at")
    def updated(self, session: AISession) -> str:
        return moment(session.updated_at)

    @admin.display(description=_("context"))
    def given(self, session: AISession) -> SafeString | str:
        return block(session.context) if session.context else NOTHING

    @admin.display(description=_("messages"))
    def messages(self, session: AISession) -> SafeString | str:
        rows = AgentExecution.objects.using(get_settings().database).filter(session=session).order_by("-created_at")
        newest = reversed(rows.only("input_prompt", "status", "replaces")[:SHOWN])
        items = [
            (
                badge(row.status, row.get_status_display()),
                link(row, shortened(row.input_prompt, 80), self.admin_site.name),
            )
            for row in newest
        ]
        return format_html_join("", "<p>{} {}</p>", items) or NOTHING
