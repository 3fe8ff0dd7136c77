"""The Django app of the assistant site."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AssistantConfig(AppConfig):
    name = "retinue.assistant"
    label = "retinue_assistant"
    verbose_name = _("Assistant")

    def ready(self) -> None:
        from retinue.assistant import checks  # noqa: F401 (registers the checks)
