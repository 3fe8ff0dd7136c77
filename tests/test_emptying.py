"""The database after a test whose transactions were real."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

from tests.emptying import Flush
from tests.shop.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


def empty():
    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)


def made():
    """What the apps made, without the numbers of the rows."""
    types = set(ContentType.objects.values_list("app_label", "model"))
    return types, set(Permission.objects.values_list("content_type__app_label", "codename", "name"))


def filled():
    tables = (model for model in apps.get_models(include_auto_created=True) if model._meta.managed)
    return {model for model in tables if model._base_manager.exists()}


def test_rows_go_and_what_the_apps_made_stays(user, monkeypatch):
    empty()  # as after a first test
    before = [list(model.objects.order_by("pk").values()) for model in (ContentType, Permission)]
    group = Group.objects.create(name="Staff")
    group.permissions.add(Permission.objects.first())
    Note.objects.create(execution="1", label="a")
    monkeypatch.setattr(Flush.__base__, "handle", None)  # Django's own is not needed
    empty()
    assert filled() == {ContentType, Permission}
    assert [list(model.objects.order_by("pk").values()) for model in (ContentType, Permission)] == before


@pytest.mark.parametrize(
    "change",
    [
        lambda: Permission.objects.create(
            content_type=ContentType.objects.get_for_model(Note), codename="burn", name="Can burn a note"
        ),
        lambda: Permission.objects.get(codename="view_note").delete(),
        lambda: Permission.objects.filter(codename="view_note").update(name="May look"),
        lambda: ContentType.objects.get_for_model(Note).delete(),
    ],
    ids=["added", "deleted", "changed", "type"],
)
def test_what_a_test_did_to_them_is_undone(change):
    empty()
    before = made()
    change()
    assert made() != before
    empty()
    assert made() == before
    assert filled() == {ContentType, Permission}
