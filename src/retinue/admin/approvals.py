"""Approvals: what waits for a person, and the page on which it is decided."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, NoReturn

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Value, When
from django.http import HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retinue.admin.formatting import NOTHING, agreed, badge, beneath, block, link, moment, who
from retinue.admin.readonly import ReadOnlyAdmin
from retinue.approvals.models import Approval
from retinue.conf import get_settings
from retinue.errors import DecisionError

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

PENDING_FIRST = Case(When(status=Approval.Status.PENDING, then=Value(0)), default=Value(1))


class DecisionForm(forms.Form):
    """What may come with a decision: arguments with an approval, a note with a denial."""

    arguments = forms.CharField(
        label=gettext_lazy("Arguments"),
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 8, "cols": 80, "spellcheck": "false", "class": "vLargeTextField retinue-json"}
        ),
        help_text=gettext_lazy("As JSON. Change them to have the call made with others."),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80, "class": "vLargeTextField"}),
        help_text=gettext_lazy("Told to the model when the call is denied."),
    )

    def clean_arguments(self) -> dict[str, Any] | None:
        """The arguments, or None where they were left empty."""
        text = self.cleaned_data["arguments"].strip()
        if not text:
            return None
        try:
            given = json.loads(text, parse_constant=_refuse)
        except ValueError as error:
            raise forms.ValidationError(_("This is not JSON: %(error)s"), params={"error": error}) from error
        if not isinstance(given, dict):
            raise forms.ValidationError(_("Arguments are a JSON object, in braces."))
        return given


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    list_display = ("tool_name", "state", "short_arguments", "run", "created", "expires")
    list_filter = ("status", "reason", "created_at")
    list_select_related = ("execution__root__user",)
    ordering = (PENDING_FIRST.asc(), "-created_at")
    sortable_by = ("created",)
    search_fields = ("tool_name", "execution__agent_name")
    # --- who sees what

    def get_queryset(self, request: HttpRequest) -> QuerySet[Approval]:
        rows = super().get_queryset(request).select_related("execution__root__user")
        return rows if self._sees_all(request) else self._own(request, rows)

    def _sees_all(self, request: HttpRequest) -> bool:
        return super().has_view_permission(request) or request.user.has_perm("retinue.decide_approval")

    def _own(self, request: HttpRequest, rows: Any) -> QuerySet[Approval]:
        """The approvals of the user's own runs."""
        return rows.for_user(request.user)  # type: ignore[no-any-return]

    def has_view_permission(self, request: HttpRequest, obj: Approval | None = None) -> bool:
        """Also whoever may decide: staff see the approvals of their own runs."""
        if self._sees_all(request):
            return True
        if obj is None:
            return self._own(request, Approval.objects.using(get_settings().database)).exists()
        return _may_decide(obj, request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    # --- deciding

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide_view)
        return [path("<path:object_id>/decide/", decide, name="retinue_approval_decide"), *super().get_urls()]

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Takes the decision that the approval's page sends; shows that page again where it cannot be taken."""
        if request.method != "POST":
            return HttpResponseRedirect(self._url("change", object_id))
        approval = self.get_object(request, unquote(object_id))
        if approval is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        if not _may_decide(approval, request.user):
            raise PermissionDenied
        form = DecisionForm(request.POST)
        if not {"approve", "deny"} & request.POST.keys():
            messages.error(request, _("Choose: approve or deny."))
        elif form.is_valid() and self._decide(request, approval, form.cleaned_data):
            return HttpResponseRedirect(self._url("changelist"))
        shown = copy.copy(request)
        shown.method = "GET"
        return self.change_view(shown, object_id, extra_context={"decision": form})

    def _decide(self, request: HttpRequest, approval: Approval, given: dict[str, Any]) -> bool:
        """Decide, and say what came of it."""
        from retinue.approvals.decisions import approve, deny

        try:
            if "approve" in request.POST:
                approve(approval, by=request.user, arguments=given["arguments"])
                said = _("Approved: %(tool)s. The run goes on.")
            else:
                deny(approval, by=request.user, note=given["note"])
                said = _("Denied: %(tool)s. The run goes on and is told.")
        except DecisionError as error:
            messages.error(request, str(error))
            return False
        self.log_change(request, approval, approval.get_status_display())
        messages.success(request, said % {"tool": approval.tool_name})
        return True

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """The page with the form to decide, while there is something to decide for who looks at it."""
        sent = context.pop("decision", None)
        context["is_open"] = _is_open(obj)
        if context["is_open"] and _may_decide(obj, request.user):
            initial = {"arguments": json.dumps(obj.arguments, ensure_ascii=False, indent=2)}
            context["decision"] = sent or DecisionForm(initial=initial)
            form_url = self._url("decide", obj.pk)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _url(self, name: str, *args: Any) -> str:
        return reverse(f"admin:retinue_approval_{name}", args=args, current_app=self.admin_site.name)

    # --- columns and fields

    def get_fieldsets(self, request: HttpRequest, obj: Approval | None = None) -> Any:
        """The question, and the decision once it was taken."""
        asked = ("tool_name", "state", "reason_text", "full_arguments", "agent", "acts_for", "created_at", "expires_at")
        question = (None, {"fields": asked})
        if obj is None or obj.status == Approval.Status.PENDING:
            return (question,)
        decided = ("decided_at", "decided_by", "changed", "note")
        return (question, (gettext_lazy("Decision"), {"fields": decided}))

    @admin.display(description=gettext_lazy("status"))
    def state(self, approval: Approval) -> SafeString:
        return badge(approval.status, approval.get_status_display())

    @admin.display(description=gettext_lazy("arguments"))
    def short_arguments(self, approval: Approval) -> SafeString | str:
        return agreed(approval, 80)

    @admin.display(description=gettext_lazy("arguments"))
    def full_arguments(self, approval: Approval) -> SafeString:
        return block(approval.arguments)

    @admin.display(description=gettext_lazy("changed arguments"))
    def changed(self, approval: Approval) -> SafeString | str:
        arguments = approval.changed_arguments
        return NOTHING if arguments is None else block(arguments)

    @admin.display(description=gettext_lazy("created"), ordering="created_at")
    def created(self, approval: Approval) -> str:
        return moment(approval.created_at)

    @admin.display(description=gettext_lazy("expires"))
    def expires(self, approval: Approval) -> str:
        return moment(approval.expires_at)

    @admin.display(description=gettext_lazy("reason"))
    def reason_text(self, approval: Approval) -> str:
        return approval.get_reason_display()

    @admin.display(description=gettext_lazy("agent"))
    def agent(self, approval: Approval) -> SafeString:
        return link(approval.execution, approval.execution.agent_name, self.admin_site.name)

    @admin.display(description=gettext_lazy("acts for"))
    def acts_for(self, approval: Approval) -> SafeString:
        return who(approval.execution.root)

    @admin.display(description=gettext_lazy("agent, acts for"))
    def run(self, approval: Approval) -> SafeString:
        return beneath(self.agent(approval), self.acts_for(approval))


def _is_open(approval: Approval) -> bool:
    """Whether the question still stands: the run goes on, and the time is not over."""
    in_time = approval.expires_at is None or approval.expires_at > timezone.now()
    pending = approval.status == Approval.Status.PENDING
    return pending and in_time and not approval.execution.root.is_final


def _may_decide(approval: Approval, user: Any) -> bool:
    from retinue.approvals.decisions import may_decide

    return may_decide(approval, user)
