"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RetinueConfig(AppConfig):
    name = "retinue"
    label = "retinue"
    verbose_name = _("Retinue")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from retinue import checks  # noqa: F401 (registers the checks)
        from retinue.budgets import owners
        from retinue.dispatch import start_with_server
        from retinue.sessions import deletion

        owners.connect()
        deletion.connect()
        start_with_server()
