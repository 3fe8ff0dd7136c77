"""The user."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.models import TimestampedModel, UUIDModel
from apps.users.managers import UserManager


class User(UUIDModel, TimestampedModel, AbstractBaseUser, PermissionsMixin):
    """Someone who logs in by e-mail."""

    email = models.EmailField(
        _("e-mail address"),
        unique=True,
        error_messages={"unique": _("A user with that e-mail address already exists.")},
    )
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    is_staff = models.BooleanField(
        _("staff status"), default=False, help_text=_("Whether the user can log into the admin site.")
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Unselect this instead of deleting an account.")
    )
    date_joined = models.DateTimeField(_("date joined"), default=timezone.now)

    avatar = models.ImageField(_("avatar"), upload_to="avatars/", blank=True)
    bio = models.TextField(_("about"), max_length=500, validators=[MaxLengthValidator(500)], blank=True)
    phone_number = models.CharField(_("phone number"), max_length=20, blank=True)

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        verbose_name = _("user")
        verbose_name_plural = _("users")
        indexes = (models.Index(fields=["is_active", "is_staff"], name="users_active_staff"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")),
                name="users_email_lower",
                violation_error_message=_("An e-mail address is kept in lower case."),
            ),
        )

    def __str__(self) -> str:
        return self.email

    def save(self, **kwargs: Any) -> None:
        self.email = UserManager.normalize_email(self.email)
        super().save(**kwargs)

    def clean(self) -> None:
        super().clean()
        self.email = UserManager.normalize_email(self.email)

    def get_full_name(self) -> str:
        """First and last name with a space between; empty where neither is known."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        """The first name."""
        return self.first_name
