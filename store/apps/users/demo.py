"""The two logins of the demonstration shop, and what their runs may cost."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from apps.users.models import User
from retinue.budgets.models import Budget

GROUP = "Catalogue"
GROUP_PERMISSIONS = (
    Q(content_type__app_label="products", codename__startswith="view_")
    | Q(content_type__app_label="products", codename="change_product")
    | Q(content_type__app_label="retinue", codename__startswith="view_")
    | Q(content_type__app_label="retinue", codename__in=["decide_approval", "change_budget"])
)


@dataclass(frozen=True, kw_only=True)
class Login:
    """Someone who may log in, by a password that everyone may know."""

    email: str
    password: str
    first_name: str
    last_name: str
    is_staff: bool = False

    @property
    def role(self) -> str:
        return "staff" if self.is_staff else "customer"


CUSTOMER = Login(email="ada@example.com", password="larkfield-ada", first_name="Ada", last_name="Moreau")  # noqa: S106 (shown)
STAFF = Login(
    email="staff@example.com",
    password="larkfield-staff",  # noqa: S106 (shown)
    first_name="Tomas",
    last_name="Lindqvist",
    is_staff=True,
)
LOGINS = (CUSTOMER, STAFF)

STAFF_LIMIT, EVERYONE_LIMIT = 2, 10
"""US dollars a month."""


def create_budgets() -> int:
    """Make missing budgets: one for the staff's group and one for everyone. Returns how many were made."""
    group, _ = Group.objects.get_or_create(name=GROUP)
    owners = {("group", str(group.pk)): STAFF_LIMIT, ("everyone", ""): EVERYONE_LIMIT}
    made = 0
    for (owner_type, owner_key), limit in owners.items():
        steps = Budget.Unit.USD.to_steps(limit)
        _, created = Budget.objects.get_or_create(
            owner_type=owner_type, owner_key=owner_key, unit="usd", period="month", defaults={"limit_steps": steps}
        )
        made += created
    return made


def create_logins() -> int:
    """Make missing logins, and the staff's group with its permissions. Returns how many logins were made."""
    group, _ = Group.objects.get_or_create(name=GROUP)
    group.permissions.add(*Permission.objects.filter(GROUP_PERMISSIONS))
    made = 0
    for login in LOGINS:
        if User.objects.filter(email=login.email).exists():
            continue
        user = User.objects.create_user(
            login.email,
            login.password,
            first_name=login.first_name,
            last_name=login.last_name,
            is_staff=login.is_staff,
        )
        made += 1
        if login.is_staff:
            user.groups.add(group)
    return made
