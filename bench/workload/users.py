"""Ordinary users: a group gives them their permissions."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

RUN = "workload.view_note"
WRITE = "workload.add_note"


def make_users(number: int) -> list[Any]:
    """So many users who may run the agents and use their tool."""
    model = get_user_model()
    users = model.objects.bulk_create([model(username=f"user-{n}") for n in range(number)])
    group = Group.objects.create(name="Authors")
    codenames = [name.partition(".")[2] for name in (RUN, WRITE)]
    group.permissions.set(Permission.objects.filter(content_type__app_label="workload", codename__in=codenames))
    group.user_set.set(users)
    return list(model.objects.order_by("pk"))
