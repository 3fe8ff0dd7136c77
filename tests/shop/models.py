"""Rows that the tests' tools read and write."""

from django.conf import settings
from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=100, unique=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    stock = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Note(models.Model):
    """One for each effect: counting them shows how often a tool took effect."""

    execution = models.CharField(max_length=64, db_index=True)
    label = models.CharField(max_length=200)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    def __str__(self) -> str:
        return f"{self.execution} {self.label}"
