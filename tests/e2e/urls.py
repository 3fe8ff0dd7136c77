"""The assistant's pages, those to log in with, and the admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("ai/", include("retinue.assistant.urls")),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
]
