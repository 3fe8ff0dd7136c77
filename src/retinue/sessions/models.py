"""The table of conversations."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from retinue.executions.models import PRINCIPAL_TYPES
from retinue.types import Principal, time_ordered_uuid

TITLE_LENGTH = 200


class Policy(models.TextChoices):
    """What becomes of a message that is sent while another one is being answered."""

    ENQUEUE = "enqueue", _("Wait its turn")
    REJECT = "reject", _("Refuse it")
    INTERRUPT = "interrupt", _("Stop the other")


class SessionQuerySet(models.QuerySet["AISession"]):
    def of(self, principal: Principal) -> SessionQuerySet:
        return self.filter(principal_type=principal.type, principal_key=principal.key)

    def active(self) -> SessionQuerySet:
        return self.filter(is_active=True)

    def for_user(self, user: Any) -> SessionQuerySet:
        """What this user may see: his own, or all with the permission to view sessions."""
        if user.has_perm("retinue.view_aisession"):
            return self
        return self.of(Principal.of(user)) if user.is_authenticated else self.none()


class AISession(models.Model):
    """A conversation of one principal with one agent: executions that share history."""

    Policy = Policy

    session_id = models.UUIDField(_("session"), primary_key=True, default=time_ordered_uuid, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="ai_sessions",
    )
    principal_type = models.CharField(_("of"), max_length=10, choices=PRINCIPAL_TYPES)
    principal_key = models.CharField(_("key"), max_length=255, blank=True)
    agent_name = models.CharField(_("agent"), max_length=100)
    title = models.CharField(_("title"), max_length=TITLE_LENGTH, blank=True)
    context = models.JSONField(
        _("context"), default=dict, blank=True, help_text=_("JSON values that reach the agent as `deps.context`.")
    )
    policy = models.CharField(_("a message while another runs"), max_length=10, choices=Policy, default=Policy.ENQUEUE)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    updated_at = models.DateTimeField(_("last message"), default=timezone.now)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-updated_at"]
        indexes = [
            models.Index(fields=["principal_type", "principal_key", "-updated_at"], name="retinue_session_principal"),
            models.Index(fields=["updated_at"], condition=models.Q(is_active=True), name="retinue_session_idle"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.session_id)

    @property
    def principal(self) -> Principal:
        return Principal(type=self.principal_type, key=self.principal_key)
