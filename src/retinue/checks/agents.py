"""The agents of the site: their names, permissions and models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_permission_codename
from django.core import checks
from django.db import DatabaseError, InterfaceError

from retinue.budgets.units import Unit
from retinue.checks.values import TAG
from retinue.conf import get_settings
from retinue.errors import ConfigurationError, DuplicateAgent

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent


@checks.register(TAG, deploy=True)
def check_offline_model(**kwargs: Any) -> list[checks.CheckMessage]:
    """The offline model follows rules; a site that means it silences this."""
    if django_settings.DEBUG or not get_settings().model.startswith("offline:"):
        return []
    return [
        checks.Warning(
            f"Agents that name no model are answered by {get_settings().model!r}, which follows rules and is "
            "no language model.",
            hint='Set RETINUE["MODEL"], for instance to "openai:gpt-5-mini".',
            id="retinue.W010",
        )
    ]


@checks.register(TAG, deploy=True)
def check_agents(**kwargs: Any) -> list[checks.CheckMessage]:
    """The agents of the site: their names, permissions and models."""
    from retinue.agents.registry import all_agents

    try:
        agents = all_agents()
    except DuplicateAgent as error:
        return [checks.Error(str(error), id="retinue.E011")]
    except Exception as error:  # whatever a site's module may raise
        what = f"{type(error).__name__}: {error}"
        return [checks.Error(f"The agents cannot be loaded: {what}", id="retinue.E011")]
    return [*_unknown_permissions(agents), *_unusable_models(agents)]


def _unknown_permissions(agents: dict[str, DjangoAgent[Any, Any]]) -> Iterator[checks.CheckMessage]:
    wanted = {permission for agent in agents.values() for permission in agent.wanted}
    missing = _not_in_table(wanted - _declared_permissions())
    for agent in agents.values():
        for permission in missing.intersection(agent.wanted):
            yield checks.Warning(
                f"The agent {agent.name!r} asks for the permission {permission!r}, which does not exist.",
                hint="A permission is named 'app_label.codename', for instance 'shop.change_product'.",
                id="retinue.W012",
            )


def _declared_permissions() -> set[str]:
    """What the models of the site declare, migrated or not."""
    found: set[str] = set()
    for model in apps.get_models():
        options = model._meta
        codes = [get_permission_codename(action, options) for action in options.default_permissions]
        codes += [code for code, _ in options.permissions]
        found.update(f"{options.app_label}.{code}" for code in codes)
    return found


def _not_in_table(names: set[str]) -> set[str]:
    """Those that nobody made by hand, either. While the database is away nothing is held against them."""
    from django.contrib.auth.models import Permission

    def exists(name: str) -> bool:
        app_label, _, codename = name.partition(".")
        return Permission.objects.filter(content_type__app_label=app_label, codename=codename).exists()

    try:
        return {name for name in names if not exists(name)}
    except (DatabaseError, InterfaceError):
        return set()


def _unusable_models(agents: dict[str, DjangoAgent[Any, Any]]) -> Iterator[checks.CheckMessage]:
    from retinue.providers.resolve import resolve_model

    for name in get_settings().models:
        try:
            resolve_model(name)
        except ConfigurationError as error:
            yield checks.Warning(str(error), id="retinue.W013")
    for agent in agents.values():
        try:
            model: Any = agent.choose_model(None, resolve_model) or agent.model
        except ConfigurationError as error:
            yield checks.Warning(f"The agent {agent.name!r}: {error}", id="retinue.W013")
            continue
        if unit := _unpriced(model):
            yield checks.Warning(
                f"The agent {agent.name!r}: nobody knows what its model {model.model_id!r} costs in {unit}, and a "
                "budget in it applies: it would not run.",
                hint="Declare a price in RETINUE['PRICES'], or for all such models in RETINUE['UNKNOWN_PRICE'].",
                id="retinue.W014",
            )


def _unpriced(model: Any) -> str:
    """In what this model's price is not known although there are budgets in it; empty where there is none."""
    from pydantic_ai.models import Model, ModelRequestParameters

    from retinue.providers.prices import bound

    if not isinstance(model, Model):
        return ""
    worst = bound(model, [], None, ModelRequestParameters())
    unknown = [unit for unit, most in ((Unit.USD, worst.cost), (Unit.CREDITS, worst.charge)) if most is None]
    return next((str(unit.shown) for unit in unknown if unit in _budgeted_units()), "")


def _budgeted_units() -> set[str]:
    """The units in which there are budgets; those of DEFAULT_BUDGETS only while the database is away."""
    from retinue.budgets.models import Budget

    units = {str(budget.get("unit")) for budget in get_settings().default_budgets}
    with suppress(DatabaseError, InterfaceError):
        units |= set(Budget.objects.filter(is_active=True).order_by().values_list("unit", flat=True).distinct())
    return units
