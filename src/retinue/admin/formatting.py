"""Values as the pages show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, localize
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from retinue.budgets.units import Unit

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from django.db.models import Model
    from django.utils.safestring import SafeString

    from retinue.approvals.models import Approval
    from retinue.budgets.accounts import Balance
    from retinue.executions.models import AgentExecution
    from retinue.sessions.models import AISession

NOTHING = "–"
SHOWN = 20_000
"""How many characters of a value are shown."""


def pretty(value: Any) -> str:
    """A JSON value with indents, a text as it is; cut where it is very long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    if len(text) <= SHOWN:
        return text
    more = _("… and %(count)s more characters") % {"count": localize(len(text) - SHOWN)}
    return f"{text[:SHOWN]}\n{more}"


def block(value: Any) -> SafeString:
    """A value on lines of its own."""
    return format_html('<pre class="retinue-value">{}</pre>', pretty(value))


def shortened(value: Any, length: int = 120) -> str:
    """A value on one short line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Truncator(" ".join(text[: length * 10].split())).chars(length)


def agreed(approval: Approval, length: int = 120) -> SafeString | str:
    """The arguments that a call is made with, on one short line; marked where a person changed them."""
    changed = approval.changed_arguments
    if changed is None:
        return shortened(approval.arguments, length)
    return format_html('{} <em class="retinue-note">{}</em>', shortened(changed, length), _("changed"))


def seconds(value: float | None) -> str:
    """A length of time, as exact as anyone wants it."""
    if value is None:
        return NOTHING
    if value < 1:
        return _("%(number)s ms") % {"number": localize(round(value * 1000))}
    if value < 100:
        return _("%(number)s s") % {"number": localize(round(float(value), 1))}
    minutes, rest = divmod(round(value), 60)
    return _("%(minutes)s min %(seconds)s s") % {"minutes": localize(minutes), "seconds": rest}


def moment(value: datetime | None) -> str:
    """A time in the reader's zone, short enough for a list."""
    return NOTHING if value is None else date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")


def amount(value: Decimal | None, tokens: int) -> str:
    """A cost. One that is not known is never shown as nothing; before any token there is none."""
    if value is None:
        return _("unknown") if tokens else NOTHING
    return figure(value)


def charged(value: Decimal | None, tokens: int) -> str:
    """A charge, with the name of the site's credits. See amount()."""
    said = amount(value, tokens)
    return said if value is None else f"{said} {Unit.CREDITS.shown}"


def beneath(first: Any, second: Any) -> SafeString:
    """Two values in one cell, the second in small letters below the first."""
    return format_html('{} <span class="retinue-beneath">{}</span>', first, second)


def figure(value: Decimal) -> str:
    """An amount as it is kept, without zeros behind its last digit."""
    return f"{value.normalize():f}"


def change(value: Decimal) -> str:
    """By how much something went up or down; empty where it did not."""
    return f"{value.normalize():+f}" if value else ""


def usage_bar(state: Balance) -> SafeString:
    """How much of a budget is used, in per cent, and as a bar that shows what is held, too."""
    limit = float(state.limit)
    used = min(100 * float(state.spent) / limit, 100.0) if limit else 0.0
    held = min(100 * float(state.reserved) / limit, 100 - used) if limit else 0.0
    return format_html(
        '{} %<svg class="retinue-bar{}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="retinue-bar-whole" x="0" y="0" width="100" height="6" />'
        '<rect class="retinue-bar-part" x="0" y="0" width="{}" height="6" />'
        '<rect class="retinue-bar-held" x="{}" y="0" width="{}" height="6" /></svg>',
        localize(state.percent),
        " retinue-full" if state.available <= 0 else "",
        f"{used:.2f}",
        f"{used:.2f}",
        f"{held:.2f}",
    )


def who(row: AgentExecution | AISession) -> SafeString:
    """For whom a run acts, or whose a conversation is, as people are known."""
    if row.user is not None:
        return breakable(row.user.get_username())
    return breakable(f"{row.get_principal_type_display()} {row.principal_key}".strip())


def breakable(text: Any) -> SafeString:
    """A name, which a narrow column may break where it is an e-mail address."""
    return mark_safe(escape(text).replace("@", "@<wbr>"))  # noqa: S308 (escaped, all but the break)


def badge(status: str, label: str) -> SafeString:
    """A state, told by its name and shown by its colour."""
    return format_html('<span class="retinue-status retinue-{}">{}</span>', status, label)


def link(row: Model, text: Any, site: str) -> SafeString:
    """A link to a row's own page in the admin site of that name."""
    view = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(view, args=[row.pk], current_app=site), text)
