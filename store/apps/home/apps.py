"""The front door: what runs here, and how to try it."""

from django.apps import AppConfig


class HomeConfig(AppConfig):
    name = "apps.home"
