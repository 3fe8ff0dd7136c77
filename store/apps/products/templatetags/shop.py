"""How prices and ratings are written."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def money(amount: Decimal) -> str:
    """`$1,249.00`, with the separators of the language."""
    return f"${number_format(amount, decimal_pos=2, use_l10n=True, force_grouping=True)}"


@register.simple_tag
def stars(rating: float | None) -> SafeString | str:
    """Five stars, filled as far as the rating goes; nothing without a rating."""
    if rating is None:
        return ""
    label = _("%(rating)s out of 5 stars") % {"rating": number_format(round(rating, 1))}
    full = round(rating)
    return format_html(
        '<span class="stars" role="img" aria-label="{}">{}<span class="stars-off">{}</span></span>',
        label,
        "★" * full,
        "★" * (5 - full),
    )
