"""Whom a budget is for, as people know them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _

from retinue.budgets.models import GROUP
from retinue.conf import get_settings
from retinue.types import GUEST, USER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

    from retinue.budgets.models import Budget

FOUND = 1_000
"""How many users a search goes on with."""


def owner_names(budgets: Iterable[Budget]) -> dict[int, str]:
    """The name of each budget's owner, by the budget's id; with a query for the users and one for the groups."""
    rows = list(budgets)
    users = usernames(budget.owner_key for budget in rows if budget.owner_type == USER)
    groups = {
        str(group.pk): group.name
        for group in _rows_of(Group, [budget.owner_key for budget in rows if budget.owner_type == GROUP])
    }
    return {budget.pk: _name(budget, users, groups) for budget in rows}


def _name(budget: Budget, users: dict[str, str], groups: dict[str, str]) -> str:
    kind, key = budget.get_owner_type_display(), budget.owner_key
    if budget.owner_type == USER:
        deleted = _("deleted user") if key.startswith("deleted:") else f"{kind} {key}"
        return users.get(key, deleted)
    if budget.owner_type == GROUP:
        return f"{kind} {groups.get(key, key)}"
    return f"{kind} {key}".strip()


def usernames(keys: Iterable[str]) -> dict[str, str]:
    """The names to log in with of those users who still exist, by their primary keys as text."""
    return {str(user.pk): user.get_username() for user in _rows_of(get_user_model(), keys)}


def _rows_of(model: type[Any], keys: Iterable[str]) -> Iterable[Any]:
    wanted = [pk for key in set(keys) if (pk := _primary_key(model, key)) is not None]
    return model._default_manager.using(get_settings().database).filter(pk__in=wanted) if wanted else ()


def _primary_key(model: type[Model], key: str) -> Any:
    """A key as the model has it; None for a text that cannot be one."""
    field = model._meta.pk
    assert field is not None
    with suppress(ValidationError, ValueError):
        return field.to_python(key) if key else None
    return None


def find_user(text: str) -> Any:
    """The user with this primary key, or else of this name; None for nobody."""
    users = get_user_model()
    return _find(users, text, Q(**{users.USERNAME_FIELD: text}))


def find_group(text: str) -> Group | None:
    """The group with this primary key, or else of this name; None for none."""
    group: Group | None = _find(Group, text, Q(name=text))
    return group


def _find(model: type[Any], text: str, by_name: Q) -> Any:
    rows = model._default_manager.using(get_settings().database)
    pk = _primary_key(model, text)
    with suppress(OverflowError, ValidationError):  # more than the column holds
        if pk is not None and (found := rows.filter(pk=pk).first()) is not None:
            return found
    return rows.filter(by_name).first()


def owned_by(text: str, prefix: str = "") -> Q:
    """Which budgets are of somebody whose name, e-mail address or key this is; names may be given in part."""
    users = get_user_model()
    fields = {users.USERNAME_FIELD, users.get_email_field_name()} & {field.name for field in users._meta.get_fields()}
    named = Q()
    for field in fields:
        named |= Q(**{f"{field}__icontains": text})
    database = get_settings().database
    user_keys = users._default_manager.using(database).filter(named).values_list("pk", flat=True)[:FOUND]
    group_keys = Group.objects.using(database).filter(name__icontains=text).values_list("pk", flat=True)[:FOUND]

    def owned(owner_type: str, **condition: Any) -> Q:
        return Q(**{f"{prefix}owner_type": owner_type}, **{f"{prefix}{name}": v for name, v in condition.items()})

    found = owned(USER, owner_key__in=[str(pk) for pk in user_keys])
    found |= owned(GROUP, owner_key__in=[str(pk) for pk in group_keys])
    for owner_type in (USER, GROUP, GUEST):
        found |= owned(owner_type, owner_key=text)
    return found
