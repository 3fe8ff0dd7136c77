"""Users: made, found and shown by their e-mail address."""

import uuid

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.users.admin import UserCreationForm
from apps.users.models import User

pytestmark = pytest.mark.django_db


def test_create_user_keeps_the_address_in_lower_case():
    user = User.objects.create_user(" Ada.Moreau@Example.COM ", "a good password")
    assert user.email == "ada.moreau@example.com"
    assert isinstance(user.pk, uuid.UUID)
    assert user.check_password("a good password")
    assert (user.is_staff, user.is_superuser, user.is_active) == (False, False, True)


def test_create_user_without_password_lets_nobody_log_in():
    assert not User.objects.create_user("ada@example.com").has_usable_password()


def test_acreate_user_makes_the_same():
    user = async_to_sync(User.objects.acreate_user)("Ada@example.com", "a good password", first_name="Ada")
    assert (user.email, user.first_name, user.check_password("a good password")) == (
        "ada@example.com",
        "Ada",
        True,
    )


@pytest.mark.parametrize("email", ["", None])
def test_create_user_without_address_is_refused(email):
    with pytest.raises(ValueError, match="needs an e-mail address"):
        User.objects.create_user(email)


def test_create_superuser_may_do_everything():
    user = User.objects.create_superuser("root@example.com", "a good password")
    assert (user.is_staff, user.is_superuser) == (True, True)


@pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
def test_create_superuser_without_the_flags_is_refused(field):
    with pytest.raises(ValueError, match="is_staff=True and is_superuser=True"):
        User.objects.create_superuser("root@example.com", "a good password", **{field: False})


def test_natural_key_is_found_in_any_case(user):
    assert User.objects.get_by_natural_key(user.email.upper()) == user
    assert async_to_sync(User.objects.aget_by_natural_key)(user.email.upper()) == user


def test_two_spellings_of_one_address_are_one_user(user):
    with pytest.raises(ValidationError, match="already exists"):
        User(email=user.email.upper(), password="x").full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(user.email.upper())


def test_an_address_in_capitals_cannot_get_past_the_database(user):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(email="UPPER@EXAMPLE.COM")


def test_names():
    user = User(email="ada@example.com", first_name="Ada", last_name="Moreau")
    assert (user.get_full_name(), user.get_short_name(), str(user)) == (
        "Ada Moreau",
        "Ada",
        "ada@example.com",
    )
    assert User(email="x@example.com").get_full_name() == ""


def test_limits_of_the_profile(user):
    user.bio = "x" * 501
    user.phone_number = "1" * 21
    with pytest.raises(ValidationError) as caught:
        user.full_clean()
    assert set(caught.value.error_dict) == {"bio", "phone_number"}


@pytest.mark.parametrize(("password", "valid"), [("short1!", False), ("longenough-7", True)])
def test_a_password_has_at_least_eight_characters(password, valid):
    form = UserCreationForm(
        {"email": "New@example.com", "usable_password": "true", "password1": password, "password2": password}
    )
    assert form.is_valid() is valid
    if valid:
        assert form.save().email == "new@example.com"


def test_admin_pages_answer(admin_client, user):
    for path in ("", "add/", f"{user.pk}/change/", f"?q={user.email}"):
        assert admin_client.get(f"/admin/users/user/{path}").status_code == 200
