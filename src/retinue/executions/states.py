"""The states of an execution and the ways between them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    WAITING = "waiting", _("Waiting")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
OPEN = frozenset(Status) - FINAL

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED, Status.FAILED}),
    Status.RUNNING: frozenset(Status),
    Status.WAITING: frozenset({Status.QUEUED, Status.RUNNING, Status.CANCELLED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""What may follow what. `running` follows itself when another worker takes over."""


class Kind(models.TextChoices):
    AGENT = "agent", _("Agent")
    WORKFLOW = "workflow", _("Workflow")


class StepKind(models.TextChoices):
    MODEL = "model", _("Model request")
    TOOL = "tool", _("Tool call")
    STARTED = "started", _("Call started")
    NOTE = "note", _("Note")


class EventKind(models.TextChoices):
    """What a watcher is told: see docs/streaming.md for the data of each."""

    STATE = "state", _("State")
    TEXT = "text", _("Text")
    THINKING = "thinking", _("Thinking")
    TOOL_CALL = "tool_call", _("Tool call")
    TOOL_RESULT = "tool_result", _("Tool result")
    RESET = "reset", _("Reset")
    FINAL = "final", _("End")


class Rating(models.IntegerChoices):
    DOWN = -1, _("Not helpful")
    UP = 1, _("Helpful")
