"""What principals may do, as the database says now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import PermissionsMixin
from django.db import connections
from django.utils.module_loading import import_string

from retinue.agents.policy import AUTHENTICATED, PUBLIC
from retinue.conf import get_settings
from retinue.cursors import constant_cursor
from retinue.types import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """A principal's rights at one moment."""

    principal: Principal
    exists: bool = True
    is_active: bool = True
    is_superuser: bool = False
    permissions: frozenset[str] = frozenset()

    def allows(self, permission: str | None) -> bool:
        """Whether a tool with this permission may be used (None: it asks for none)."""
        if permission is None:
            return True
        if not (self.exists and self.is_active):
            return False
        if self.principal.is_system:
            allowed = get_settings().system_permissions
            return allowed == "all" or permission in allowed
        return self.is_superuser or permission in self.permissions

    def may_run(self, permission: str | None) -> bool:
        """Whether an agent with this permission may be run (None: only superusers and the system)."""
        if self.principal.is_system:
            return permission in (None, AUTHENTICATED, PUBLIC) or self.allows(permission)
        if permission == PUBLIC:
            return self.exists and self.is_active
        if not (self.principal.is_user and self.exists and self.is_active):
            return False
        if permission is None:
            return self.is_superuser
        return permission == AUTHENTICATED or self.allows(permission)


def load_grants(wanted: Iterable[tuple[Principal, Sequence[str]]], alias: str) -> dict[Principal, Grants]:
    """The rights of many principals, as few queries as can be. Only the wanted permissions are looked up."""
    users: dict[str, Principal] = {}
    names: set[str] = set()
    found: dict[Principal, Grants] = {}
    for principal, permissions in wanted:
        if principal.is_user:
            users[principal.key] = principal
            names.update(permissions)
        else:
            found[principal] = Grants(principal=principal)
    if users:
        load = _from_tables if reads_tables() else _from_backends
        found |= load(users, names, alias)
    return found


def reads_tables() -> bool:
    """Whether Django's own tables say it all: no backend or user model of the site's has a say."""
    return _reads_tables(tuple(django_settings.AUTHENTICATION_BACKENDS), get_user_model())


@lru_cache(maxsize=8)
def _reads_tables(backends: tuple[str, ...], user_model: Any) -> bool:
    judges = [f"{mark}get_{kind}_permissions" for mark in ("", "_") for kind in ("user", "group")]
    judges += ["has_perm", "get_all_permissions", "_get_permissions"]
    for backend in map(import_string, backends):
        if any(getattr(backend, name, None) not in (None, getattr(ModelBackend, name)) for name in judges):
            return False
    columns = {field.name for field in user_model._meta.concrete_fields}
    return (
        issubclass(user_model, PermissionsMixin)
        and user_model.has_perm is PermissionsMixin.has_perm
        and {"is_active", "is_superuser"} <= columns
    )


def _from_backends(users: dict[str, Principal], names: set[str], alias: str) -> dict[Principal, Grants]:
    """One user at a time, through the site's own backends."""
    found = {principal: Grants(principal=principal, exists=False) for principal in users.values()}
    for user in get_user_model()._default_manager.using(alias).filter(pk__in=list(users)):
        principal = users[str(user.pk)]
        found[principal] = Grants(
            principal=principal,
            is_active=user.is_active,
            is_superuser=bool(getattr(user, "is_superuser", False)),
            permissions=frozenset(name for name in names if user.has_perm(name)),
        )
    return found


def _from_tables(users: dict[str, Principal], names: set[str], alias: str) -> dict[Principal, Grants]:
    """All users in one statement of constant text, so that PostgreSQL can keep it prepared."""
    connection = connections[alias]
    pk = get_user_model()._meta.pk
    assert pk is not None
    ids = [pk.get_db_prep_value(pk.to_python(key), connection) for key in users]
    codes = sorted({name.partition(".")[2] for name in names})
    parameters: dict[str, Any] = {"users": ids, "codes": codes}
    if connection.vendor != "postgresql":
        parameters = {name: json.dumps(values) for name, values in parameters.items()}
    with constant_cursor(alias) as cursor:
        cursor.execute(_statement(alias), parameters)
        rows = cursor.fetchall()
    rights: dict[str, tuple[bool, bool, set[str]]] = {}
    for key, is_active, is_superuser, label, code in rows:
        _, _, permissions = rights.setdefault(str(pk.to_python(key)), (bool(is_active), bool(is_superuser), set()))
        if code is not None:
            permissions.add(f"{label}.{code}")
    return {
        principal: Grants(
            principal=principal,
            exists=key in rights,
            is_active=key in rights and rights[key][0],
            is_superuser=key in rights and rights[key][1],
            permissions=frozenset(rights[key][2]) if key in rights else frozenset(),
        )
        for key, principal in users.items()
    }


@lru_cache(maxsize=8)
def _statement(alias: str) -> str:
    connection = connections[alias]
    quote = connection.ops.quote_name
    user = get_user_model()._meta
    direct: Any = user.get_field("user_permissions")
    groups: Any = user.get_field("groups")
    group_permissions = groups.related_model._meta.get_field("permissions")
    among = "= ANY(%({})s)" if connection.vendor == "postgresql" else "IN (SELECT value FROM json_each(%({})s))"
    among_users, among_codes = among.format("users"), among.format("codes")
    permission, content_type = quote("auth_permission"), quote("django_content_type")
    names = f"JOIN {permission} p ON p.id = {{}} JOIN {content_type} c ON c.id = p.content_type_id"
    pk = quote(str(user.pk.column))
    return (
        f"SELECT u.{pk}, u.is_active, u.is_superuser, g.app_label, g.codename FROM {quote(user.db_table)} u LEFT JOIN ("
        f" SELECT d.{quote(direct.m2m_column_name())} AS holder, c.app_label, p.codename"
        f" FROM {quote(direct.m2m_db_table())} d {names.format('d.' + quote(direct.m2m_reverse_name()))}"
        f" WHERE d.{quote(direct.m2m_column_name())} {among_users} AND p.codename {among_codes}"
        f" UNION ALL SELECT m.{quote(groups.m2m_column_name())}, c.app_label, p.codename"
        f" FROM {quote(groups.m2m_db_table())} m"
        f" JOIN {quote(group_permissions.m2m_db_table())} t"
        f" ON t.{quote(group_permissions.m2m_column_name())} = m.{quote(groups.m2m_reverse_name())}"
        f" {names.format('t.' + quote(group_permissions.m2m_reverse_name()))}"
        f" WHERE m.{quote(groups.m2m_column_name())} {among_users} AND p.codename {among_codes}"
        f") g ON g.holder = u.{pk} WHERE u.{pk} {among_users}"
    )
