"""Slugs that are unique, whatever the name is written in."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from django.utils.text import slugify

if TYPE_CHECKING:
    from apps.core.models import SluggedModel


def free_slug(instance: SluggedModel, text: str) -> str:
    """A slug for `text` that no other row has: `lamp`, `lamp-2`, `lamp-3` …

    A text without Latin letters or digits gives the model's name and a random part, as `product-5f3a9c1e`.
    """
    model = type(instance)
    limit = model._meta.get_field("slug").max_length
    base = slugify(text)[:limit].strip("-_") or f"{model._meta.model_name}-{secrets.token_hex(4)}"
    stem = base[: limit - 8]
    others = model._base_manager.exclude(pk=instance.pk)
    taken = set(others.filter(slug__startswith=stem).values_list("slug", flat=True))
    if base not in taken:
        return base
    numbered = re.compile(re.escape(stem) + r"-(\d{1,7})")
    numbers = [int(match[1]) for slug in taken if (match := numbered.fullmatch(slug))]
    number = next(n for n in range(2, len(taken) + 3) if n not in numbers)
    return f"{stem}-{number}"
