"""Which budgets a run must fit into."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import PermissionsMixin
from django.db import connections

from retinue.budgets.models import Budget
from retinue.budgets.units import Span, Unit
from retinue.conf import get_settings
from retinue.cursors import constant_cursor
from retinue.types import GUEST, USER, Principal

Row = tuple[str, int, str, str, bool]
"""Owner (as `str(principal)`, or "everyone"), id, unit, period, whether it is active."""


@dataclass(frozen=True, slots=True)
class Applicable:
    """A budget that applies to someone."""

    budget_id: int
    unit: Unit


def applicable(alias: str, principals: Iterable[Principal]) -> dict[Principal, tuple[Applicable, ...]]:
    """The active budgets of each principal: his own, his groups', and everyone's. Default budgets are made here."""
    wanted = set(principals)
    rows = _load(alias, wanted)
    if make_defaults(alias, wanted, rows):
        rows = _load(alias, wanted)
    return {
        principal: tuple(
            Applicable(pk, Unit(unit))
            for owner, pk, unit, _, is_active in rows
            if is_active and owner in ("everyone", str(principal))
        )
        for principal in wanted
    }


def make_defaults(alias: str, principals: Iterable[Principal], rows: Iterable[Row]) -> bool:
    """Give those who have none of the site's default budgets a row for each. Returns whether any was made."""
    defaults = get_settings().default_budgets
    if not defaults:
        return False
    there = {(owner, unit, period) for owner, _, unit, period, _ in rows}
    made = [
        Budget(
            owner_type=principal.type,
            owner_key=principal.key,
            unit=default["unit"],
            period=default.get("period", Span.MONTH),
            limit_steps=Unit(default["unit"]).to_steps(default["limit"]),
        )
        for default in defaults
        for principal in principals
        if principal.type == default.get("owner", "user")
        and (str(principal), default["unit"], default.get("period", Span.MONTH)) not in there
    ]
    if made:
        Budget.objects.using(alias).bulk_create(made, ignore_conflicts=True)
    return bool(made)


def _load(alias: str, principals: set[Principal]) -> list[Row]:
    connection = connections[alias]
    pk = get_user_model()._meta.pk
    assert pk is not None
    users = [principal.key for principal in principals if principal.is_user]
    guests = [principal.key for principal in principals if principal.type == GUEST]
    parameters: list[Any] = [users, guests]
    if _has_groups():
        parameters.append([pk.get_db_prep_value(pk.to_python(key), connection) for key in users])
    if connection.vendor != "postgresql":
        parameters = [json.dumps(value) for value in parameters]
    with constant_cursor(alias) as cursor:
        cursor.execute(_statement(alias), parameters)
        rows = cursor.fetchall()
    return [(owner if member is None else f"{USER}:{pk.to_python(member)}", *budget) for owner, member, *budget in rows]


def _has_groups() -> bool:
    return issubclass(get_user_model(), PermissionsMixin)


@lru_cache(maxsize=8)
def _statement(alias: str) -> str:
    """Constant text, so that PostgreSQL can keep it prepared; every part of it finds its rows by an index."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    among = "= ANY(%s)" if connection.vendor == "postgresql" else "IN (SELECT value FROM json_each(%s))"
    groups: Any = get_user_model()._meta.get_field("groups") if _has_groups() else None
    member = f"m.{quote(groups.m2m_column_name())}" if groups else "NULL"
    columns = "b.id, b.unit, b.period, b.is_active"
    table = f"{Budget._meta.db_table} b"
    link = f"FROM {quote(groups.m2m_db_table())} m" if groups else ""
    nobody = f"(SELECT {member} {link} WHERE FALSE)" if groups else "NULL"  # NULL, of the type that a user's key has
    parts = [
        f"SELECT 'everyone', {nobody}, {columns} FROM {table} WHERE b.owner_type = 'everyone'",
        *(
            f"SELECT '{kind}:' || b.owner_key, {nobody}, {columns} FROM {table}"
            f" WHERE b.owner_type = '{kind}' AND b.owner_key {among}"
            for kind in (USER, GUEST)
        ),
    ]
    if groups:
        parts.append(
            f"SELECT '', {member}, {columns} {link} JOIN {table} ON b.owner_type = 'group'"
            f" AND b.owner_key = CAST(m.{quote(groups.m2m_reverse_name())} AS varchar) WHERE {member} {among}"
        )
    return " UNION ALL ".join(parts) + " ORDER BY 3"
