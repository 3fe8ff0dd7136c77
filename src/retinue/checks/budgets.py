"""What RETINUE says of budgets."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from django.core import checks

from retinue.budgets.units import Span, Unit
from retinue.conf import get_settings
from retinue.errors import InvalidInput
from retinue.types import GUEST, USER


def check_budgets() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    if not settings.credits_name.strip():
        hint = "It must be a name."
        yield checks.Error(f"RETINUE['CREDITS_NAME'] is {settings.credits_name!r}.", hint=hint, id="retinue.E004")
    seen = set()
    for number, budget in enumerate(settings.default_budgets):
        place = f"RETINUE['DEFAULT_BUDGETS'][{number}]"
        problems = list(_default_budget(place, budget))
        yield from problems
        if problems:
            continue
        identity = budget.get("owner", USER), budget["unit"], budget.get("period", Span.MONTH.value)
        if identity in seen:
            hint = "Only one of a unit and period can be made for an owner."
            yield checks.Error(f"{place} is there twice.", hint=hint, id="retinue.E004")
        seen.add(identity)


def _default_budget(place: str, budget: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    choices = {"owner": [USER, GUEST], "unit": Unit.values, "period": Span.values}
    for key in budget:
        if key not in (*choices, "limit"):
            near = next(iter(get_close_matches(str(key).lower(), (*choices, "limit"), 1)), "")
            hint = f"Did you mean {near!r}?" if near else "Remove it."
            yield checks.Error(f"{place} has no key {key!r}.", hint=hint, id="retinue.E001")
    for key, known in choices.items():
        if key in budget and budget[key] not in known:
            near = next(iter(get_close_matches(str(budget[key]).lower(), known, 1)), "")
            hint = f"Did you mean {near!r}?" if near else f"Expected: {' or '.join(map(repr, known))}."
            yield checks.Error(f"{place}[{key!r}] is {budget[key]!r}.", hint=hint, id="retinue.E004")
    for key in ("unit", "limit"):
        if key not in budget:
            yield checks.Error(f"{place} has no {key!r}.", hint="Say it.", id="retinue.E003")
    if "limit" in budget and budget.get("unit") in Unit.values:
        yield from _limit(f"{place}['limit']", budget["limit"], Unit(budget["unit"]))


def _limit(place: str, limit: Any, unit: Unit) -> Iterator[checks.CheckMessage]:
    if isinstance(limit, bool) or not isinstance(limit, int | float | Decimal | str):
        yield checks.Error(f"{place} is {limit!r}.", hint="Expected: a number.", id="retinue.E003")
        return
    try:
        hint = "It must be 0 or more." if unit.to_steps(str(limit)) < 0 else ""
    except InvalidInput as error:
        hint = str(error)
    if hint:
        yield checks.Error(f"{place} is {limit!r}.", hint=hint, id="retinue.E004")
