"""Users are made and found by their e-mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.hashers import make_password
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from apps.users.models import User


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """The address in lower case: two spellings of one address are one person."""
        return super().normalize_email(email).lower()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make a user. Without a password nobody can log in as him."""
        user = self._build(email, password, **{"is_staff": False, "is_superuser": False, **fields})
        user.save(using=self._db)
        return user

    async def acreate_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """See create_user()."""
        user = self._build(email, password, **{"is_staff": False, "is_superuser": False, **fields})
        await user.asave(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make a user who may do everything."""
        fields = {"is_staff": True, "is_superuser": True, **fields}
        if not (fields["is_staff"] and fields["is_superuser"]):
            raise ValueError(_("A superuser has is_staff=True and is_superuser=True."))
        return self.create_user(email, password, **fields)

    def get_by_natural_key(self, username: str) -> User:
        return self.get(email=self.normalize_email(username))

    async def aget_by_natural_key(self, username: str) -> User:
        """See get_by_natural_key()."""
        return await self.aget(email=self.normalize_email(username))

    def _build(self, email: str, password: str | None, **fields: Any) -> User:
        if not email:
            raise ValueError(_("A user needs an e-mail address."))
        return self.model(email=self.normalize_email(email), password=make_password(password), **fields)
