"""What budgets do when something happens to those whom they are for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat
from django.db.models.signals import post_delete

from retinue.budgets.book import release_all
from retinue.budgets.models import Budget
from retinue.executions import lifecycle
from retinue.types import USER


def connect() -> None:
    """Have holds end with their runs, and budgets outlive their users without naming them."""
    lifecycle.at_end.append(_release)
    post_delete.connect(_forget_user, sender=settings.AUTH_USER_MODEL, dispatch_uid="retinue.budgets.forget_user")


def _release(alias: str, root_id: UUID) -> None:
    release_all(alias, [root_id], "the run was ended")


def _forget_user(instance: Any, using: str, **kwargs: Any) -> None:
    """The ledger and its sums stay; whose they were does not."""
    Budget.objects.using(using).filter(owner_type=USER, owner_key=str(instance.pk)).update(
        owner_key=Concat(Value("deleted:"), Cast(F("id"), CharField())), is_active=False
    )
