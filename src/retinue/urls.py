"""The addresses of what is installed of Retinue: `path("", include("retinue.urls"))`."""

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = []

if apps.is_installed("retinue.assistant"):
    urlpatterns.append(path("ai/", include("retinue.assistant.urls")))
