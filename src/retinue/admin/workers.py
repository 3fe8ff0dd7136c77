"""Workers: who is alive, and how busy."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from retinue.admin.readonly import ReadOnlyAdmin
from retinue.executions.models import Worker
from retinue.workers.records import ALIVE_SECONDS


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "alive", "load", "serves", "embedded", "started_at", "seen_at")
    sortable_by = ("started_at", "seen_at")
    ordering = ("-seen_at",)
    fields = ("name", "alive", "load", "serves", "embedded", "started_at", "seen_at", "id")

    @admin.display(description=gettext_lazy("alive"), boolean=True)
    def alive(self, worker: Worker) -> bool:
        return worker.is_alive(timezone.now(), within=ALIVE_SECONDS)

    @admin.display(description=gettext_lazy("busy"))
    def load(self, worker: Worker) -> str:
        return _("%(active)s of %(all)s") % {"active": worker.active, "all": worker.concurrency}

    @admin.display(description=gettext_lazy("queues"))
    def serves(self, worker: Worker) -> str:
        return ", ".join(worker.queues) or _("all")
