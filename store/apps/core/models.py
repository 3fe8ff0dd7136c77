"""Abstract models."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.slugs import free_slug

SLUG_ATTEMPTS = 5


class TimestampedModel(models.Model):
    """When the row was made, and when it was last saved."""

    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        abstract = True
        ordering = ("-created_at",)

    def save(self, *, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save, `updated_at` included whichever fields are named."""
        if update_fields:
            update_fields = {*update_fields, "updated_at"}
        super().save(update_fields=update_fields, **kwargs)


class UUIDModel(models.Model):
    """A key that can be made anywhere and tells nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True


class SluggedModel(models.Model):
    """A slug that is made of the name where none is given, and is free."""

    slug = models.SlugField(
        _("slug"), max_length=200, unique=True, blank=True, help_text=_("Left empty, it is made of the name.")
    )

    slug_source: ClassVar[str] = "name"

    class Meta:
        abstract = True

    def save(self, **kwargs: Any) -> None:
        if self.slug:
            super().save(**kwargs)
        else:
            self._save_with_free_slug(**kwargs)

    def _save_with_free_slug(self, **kwargs: Any) -> None:
        """Save under a slug that is free, also when another process takes the same one just now."""
        for attempt in range(1, SLUG_ATTEMPTS + 1):
            self.slug = slug = free_slug(self, getattr(self, self.slug_source))
            try:
                with transaction.atomic(using=kwargs.get("using")):
                    super().save(**kwargs)
            except IntegrityError:
                self.slug = ""
                taken = type(self)._base_manager.using(kwargs.get("using")).filter(slug=slug).exists()
                if not taken or attempt == SLUG_ATTEMPTS:
                    raise
            else:
                return
