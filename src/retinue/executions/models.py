"""The tables of executions: what was asked, what happened, who works on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from retinue.conf import get_settings
from retinue.executions.states import FINAL, OPEN, EventKind, Kind, Rating, StepKind
from retinue.executions.states import Status as ExecutionStatus
from retinue.fields import AmountField
from retinue.types import GUEST, SYSTEM_TYPE, USER, Principal, time_ordered_uuid

if TYPE_CHECKING:
    from datetime import datetime

PATH_LENGTH = 2000
ENDING = ["status", "output_data", "error_code", "error_message", "completed_at", "lease_token", "lease_expires"]
PRINCIPAL_TYPES = [(USER, _("User")), (GUEST, _("Guest")), (SYSTEM_TYPE, _("System"))]


class ExecutionQuerySet(models.QuerySet["AgentExecution"]):
    def roots(self) -> ExecutionQuerySet:
        """Runs that nobody delegated: the ones that have a queue state and a lease."""
        return self.filter(parent=None)

    def open(self) -> ExecutionQuerySet:
        return self.filter(status__in=OPEN)

    def of(self, principal: Principal) -> ExecutionQuerySet:
        return self.filter(principal_type=principal.type, principal_key=principal.key)

    def for_user(self, user: Any) -> ExecutionQuerySet:
        """What this user may see: his own, or all with the permission to view executions."""
        if user.has_perm("retinue.view_agentexecution"):
            return self
        return self.of(Principal.of(user)) if user.is_authenticated else self.none()


class AgentExecution(models.Model):
    """One run of one agent for one principal."""

    Status = ExecutionStatus

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.AGENT)
    agent_name = models.CharField(_("agent"), max_length=100)
    agent_digest = models.CharField(
        _("agent digest"), max_length=32, blank=True, help_text=_("Which version of the agent's definition this is.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="agent_executions",
    )
    principal_type = models.CharField(_("acts for"), max_length=10, choices=PRINCIPAL_TYPES)
    principal_key = models.CharField(_("key"), max_length=255, blank=True)

    status = models.CharField(_("status"), max_length=10, choices=ExecutionStatus, default=ExecutionStatus.QUEUED)
    input_prompt = models.TextField(_("prompt"))
    input = models.BinaryField(_("input"), default=b"", help_text=_("Everything that was given, as JSON in UTF-8."))
    output_data = models.JSONField(_("output"), null=True, blank=True)
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    error_message = models.TextField(_("error"), blank=True)

    created_at = models.DateTimeField(_("created"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)
    execution_time = models.FloatField(
        _("execution time"), default=0.0, help_text=_("Seconds of work; waiting is left out.")
    )
    tokens_used = models.PositiveBigIntegerField(_("tokens"), default=0)
    cost = AmountField(
        _("cost (USD)"), null=True, blank=True, help_text=_("Delegated runs included. Empty: a price is not known.")
    )
    charge = AmountField(_("charge (credits)"), null=True, blank=True)
    quality_score = models.FloatField(_("quality score"), null=True, blank=True, help_text=_("0 to 100."))
    from_cache = models.BooleanField(
        _("from the cache"), default=False, help_text=_("Answered by an earlier run, for nothing.")
    )

    parent = models.ForeignKey(
        "self", verbose_name=_("parent"), on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    root = models.ForeignKey(
        "self", verbose_name=_("root"), on_delete=models.CASCADE, related_name="family", db_index=False
    )
    path = models.CharField(_("path"), max_length=PATH_LENGTH, blank=True, help_text=_("The place under its root."))
    retry_of = models.ForeignKey(
        "self", verbose_name=_("retry of"), on_delete=models.SET_NULL, null=True, blank=True, related_name="retries"
    )

    session = models.ForeignKey(
        "retinue.AISession",
        verbose_name=_("session"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="executions",
        db_index=False,
    )
    replaces = models.OneToOneField(
        "self",
        verbose_name=_("replaces"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="replaced_by",
        help_text=_("The message of the session that was edited, or answered anew."),
    )
    rating = models.SmallIntegerField(_("rating"), choices=Rating, null=True, blank=True)
    rating_note = models.CharField(_("note on the rating"), max_length=1000, blank=True)

    queue = models.CharField(_("queue"), max_length=50, default="default")
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Higher goes first."))
    run_after = models.DateTimeField(_("not before"), null=True, blank=True)
    idempotency_key = models.CharField(_("idempotency key"), max_length=200, null=True, blank=True)  # noqa: DJ001 (unique where given)
    attempts = models.PositiveSmallIntegerField(
        _("attempts"), default=0, help_text=_("How many processes died over it without a recorded result.")
    )
    lease_token = models.UUIDField(_("lease"), null=True, blank=True, editable=False)
    lease_expires = models.DateTimeField(_("lease expires"), null=True, blank=True, editable=False)
    attached = models.BooleanField(
        _("attached"), default=False, help_text=_("Started by code that waits for it in its own process.")
    )
    stream = models.BooleanField(_("streamed"), default=False)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        verbose_name = _("execution")
        verbose_name_plural = _("executions")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["root", "path"], name="retinue_execution_place"),
            models.UniqueConstraint(
                fields=["principal_type", "principal_key", "agent_name", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="retinue_execution_idempotency",
            ),
            # A run counts from its start to its end, its waits included.
            models.UniqueConstraint(
                fields=["session"],
                condition=Q(session__isnull=False, started_at__isnull=False, status__in=sorted(OPEN)),
                name="retinue_execution_turn",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="retinue_exec_created"),
            models.Index(fields=["agent_name", "-created_at"], name="retinue_exec_agent"),
            models.Index(fields=["status", "-created_at"], name="retinue_exec_status"),
            models.Index(fields=["principal_type", "principal_key", "-created_at"], name="retinue_exec_principal"),
            models.Index(
                fields=["session", "created_at"], condition=Q(session__isnull=False), name="retinue_exec_session"
            ),
            models.Index(
                fields=["queue", "-priority", "created_at"],
                condition=Q(status="queued", parent__isnull=True),
                name="retinue_exec_queue",
            ),
            models.Index(
                fields=["lease_expires"], condition=Q(status="running", parent__isnull=True), name="retinue_exec_lease"
            ),
            models.Index(
                fields=["run_after"], condition=Q(status="waiting", parent__isnull=True), name="retinue_exec_wake"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent_name} {self.id}"

    @property
    def principal(self) -> Principal:
        return Principal(type=self.principal_type, key=self.principal_key)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def given(self) -> dict[str, Any]:
        """What the run was given: `prompt`, `deps`, `context` and options."""
        return json.loads(bytes(self.input) or b"{}")  # type: ignore[no-any-return]

    @property
    def answer(self) -> str:
        """The output as text: a text as it is, anything else as JSON."""
        output = self.output_data
        return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)

    def cancel(self) -> bool:
        """See executions.lifecycle.cancel()."""
        from retinue.executions.lifecycle import cancel

        return cancel(self)

    def mark_completed(self, output: Any) -> bool:
        """See executions.lifecycle.complete(). What it changed shows on this object."""
        from retinue.executions.lifecycle import complete

        return complete(self, output) and self._reread()

    def mark_failed(self, code: str, message: str) -> bool:
        """See executions.lifecycle.fail(). What it changed shows on this object."""
        from retinue.executions.lifecycle import fail

        return fail(self, code, message) and self._reread()

    def _reread(self) -> bool:
        self.refresh_from_db(using=get_settings().database, fields=ENDING)
        return True


class ExecutionStep(models.Model):
    """One journaled unit of an execution. Never changed once written."""

    execution = models.ForeignKey(
        AgentExecution, verbose_name=_("execution"), on_delete=models.CASCADE, related_name="steps", db_index=False
    )
    key = models.CharField(_("key"), max_length=400, help_text=_("The place in the run; a replay finds it by this."))
    kind = models.CharField(_("kind"), max_length=10, choices=StepKind)
    name = models.CharField(_("name"), max_length=200, blank=True, help_text=_("The model or the tool."))
    digest = models.BinaryField(_("digest"), max_length=16, help_text=_("Of what was asked."))
    payload = models.BinaryField(_("payload"), null=True, blank=True, help_text=_("The answer, as JSON in UTF-8."))
    started_at = models.DateTimeField(_("started"))
    duration = models.FloatField(_("duration"), default=0.0, help_text=_("Seconds."))
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost = AmountField(_("cost (USD)"), null=True, blank=True)
    provider_cost = models.CharField(_("provider's cost (USD)"), max_length=64, blank=True)
    charge = AmountField(_("charge (credits)"), null=True, blank=True)
    provider_charge = models.CharField(_("provider's charge (credits)"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["execution", "key"], name="retinue_step_place")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"

    @property
    def content(self) -> Any:
        """The payload as a JSON value, or None."""
        return None if self.payload is None else json.loads(bytes(self.payload))


class ExecutionEvent(models.Model):
    """What a watcher of a streamed execution sees. Never changed once written."""

    execution = models.ForeignKey(
        AgentExecution, verbose_name=_("execution"), on_delete=models.CASCADE, related_name="events", db_index=False
    )
    epoch = models.PositiveIntegerField(_("epoch"), help_text=_("Which taking up of the execution wrote it, from 1."))
    seq = models.PositiveIntegerField(_("number"), help_text=_("Within its epoch, from 1."))
    kind = models.CharField(_("kind"), max_length=12, choices=EventKind)
    data = models.BinaryField(_("data"), help_text=_("As JSON in UTF-8."))
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["execution", "epoch", "seq"]
        constraints = [models.UniqueConstraint(fields=["execution", "epoch", "seq"], name="retinue_event_place")]

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq} {self.kind}"

    @property
    def content(self) -> Any:
        """The data as a JSON value."""
        return json.loads(bytes(self.data))


class Worker(models.Model):
    """A process that executes: who is alive, since when, with how much to do."""

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    name = models.CharField(_("name"), max_length=200, help_text=_("Host and process id."))
    embedded = models.BooleanField(_("embedded"), default=False, help_text=_("Runs inside a server process."))
    queues = models.JSONField(_("queues"), default=list, blank=True)
    concurrency = models.PositiveIntegerField(_("concurrency"), default=0)
    active = models.PositiveIntegerField(_("active"), default=0)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    seen_at = models.DateTimeField(_("last seen"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return self.name

    def is_alive(self, now: datetime, within: float) -> bool:
        """Whether it was seen in the last `within` seconds."""
        return (now - self.seen_at).total_seconds() <= within
