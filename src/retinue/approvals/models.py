"""The table of approvals."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from retinue.executions.places import call_id_of
from retinue.types import Principal, time_ordered_uuid


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def pending(self) -> ApprovalQuerySet:
        return self.filter(status=Approval.Status.PENDING)

    def for_user(self, user: Any) -> ApprovalQuerySet:
        """What this user may see and decide: his own runs' approvals, or all with the permission."""
        if user.has_perm("retinue.decide_approval"):
            return self
        if not user.is_authenticated:
            return self.none()
        principal = Principal.of(user)
        return self.filter(execution__root__principal_type=principal.type, execution__root__principal_key=principal.key)


class Approval(models.Model):
    """A tool call that waits for a person. The decision holds for exactly these arguments."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        APPROVED = "approved", _("Approved")
        DENIED = "denied", _("Denied")
        EXPIRED = "expired", _("Expired")

    class Reason(models.TextChoices):
        REQUIRED = "required", _("The tool needs an approval")
        UNCERTAIN = "uncertain", _("The call may already have happened")

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    execution = models.ForeignKey(
        "retinue.AgentExecution",
        verbose_name=_("execution"),
        on_delete=models.CASCADE,
        related_name="approvals",
        db_index=False,
    )
    key = models.CharField(_("key"), max_length=400, help_text=_("The call's place in the run."))
    tool_name = models.CharField(_("tool"), max_length=200)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason, default=Reason.REQUIRED)
    arguments_json = models.BinaryField(_("arguments"), help_text=_("As JSON in UTF-8."))
    digest = models.BinaryField(_("digest"), max_length=16, help_text=_("Of the tool and its arguments."))
    changed_json = models.BinaryField(_("changed arguments"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    note = models.TextField(_("note"), blank=True, help_text=_("Told to the model when the call is denied."))
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["-created_at"]
        permissions = [("decide_approval", _("Can decide approvals of anyone's runs"))]
        constraints = [models.UniqueConstraint(fields=["execution", "key"], name="retinue_approval_place")]
        indexes = [models.Index(fields=["status", "-created_at"], name="retinue_approval_status")]

    def __str__(self) -> str:
        return f"{self.tool_name} ({self.get_status_display()})"

    @property
    def call_id(self) -> str:
        """The provider's id of the call."""
        return call_id_of(self.key, self.tool_name)

    def approve(self, *, by: Any, arguments: dict[str, Any] | None = None) -> Approval:
        """See approvals.decisions.approve()."""
        from retinue.approvals.decisions import approve

        return approve(self, by=by, arguments=arguments)

    def deny(self, *, by: Any, note: str = "") -> Approval:
        """See approvals.decisions.deny()."""
        from retinue.approvals.decisions import deny

        return deny(self, by=by, note=note)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that the model gave."""
        return json.loads(bytes(self.arguments_json))  # type: ignore[no-any-return]

    @property
    def changed_arguments(self) -> dict[str, Any] | None:
        """The arguments that the person put in their place, if any."""
        return None if self.changed_json is None else json.loads(bytes(self.changed_json))
