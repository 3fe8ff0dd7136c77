"""Fill the shop with demonstration data."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core.progress import ProgressBar
from apps.home.conversations import create_conversations
from apps.products.demo import load_catalogue
from apps.users.demo import LOGINS, create_budgets, create_logins


class Command(BaseCommand):
    help = "Fills the shop with demonstration data. Safe to repeat: what is there already stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--logins",
            action=BooleanOptionalAction,
            default=settings.DEBUG,
            help="Make a customer and a staff member whose passwords are public. Default: only under DEBUG.",
        )
        parser.add_argument(
            "--conversations",
            action=BooleanOptionalAction,
            default=settings.DEBUG,
            help="Have that customer ask the shop's guide something. Default: only under DEBUG.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        made = load_catalogue(ProgressBar(self.stdout, "Demonstration data"))
        logins = create_logins() if options["logins"] else 0
        budgets = create_budgets()
        conversations = create_conversations() if options["conversations"] else 0
        if options["verbosity"] == 0:
            return
        if made or logins or budgets or conversations:
            self.stdout.write(
                f"Made {made.categories} categories, {made.products} products, {made.reviews} reviews, "
                f"{logins} logins, {budgets} budgets, {conversations} conversations."
            )
        else:
            self.stdout.write("All demonstration data is there already.")
        if options["logins"]:
            for login in LOGINS:
                self.stdout.write(f"  {login.role:<9} {login.email}  password: {login.password}")
        else:
            self.stdout.write("No logins were made, since DEBUG is off: --logins makes them.")
