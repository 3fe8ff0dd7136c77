"""What the tool writes."""

from django.conf import settings
from django.db import models


class Note(models.Model):
    label = models.CharField(max_length=200)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    def __str__(self) -> str:
        return self.label
