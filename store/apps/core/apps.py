"""What the other apps build on."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
