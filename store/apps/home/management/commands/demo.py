"""Run the demonstration shop: tables, data, server and worker in one command."""

from __future__ import annotations

import signal
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import closing
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from apps.home.examples import EXAMPLES, manage_command
from apps.home.server import CannotListen, address, listen, serve
from apps.users.demo import LOGINS
from retinue.conf import get_settings


class Command(BaseCommand):
    help = "Brings the database up to date, adds missing demonstration data and serves the shop until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Where to listen. Default: %(default)s.")
        parser.add_argument("--port", type=_port, default=8000, help="Default: %(default)s; 0 takes any that is free.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demonstration's passwords are public: it runs only with DEBUG on.")
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            # First the port: there is nothing to prepare for a server that cannot start.
            with closing(listen(options["host"], options["port"])) as listener:
                call_command("migrate", interactive=False, verbosity=0)
                call_command("seed_demo", logins=True, conversations=True, verbosity=0, stdout=self.stdout)
                serve(listener, on_ready=lambda: self.welcome(address(listener)))
        except CannotListen as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            pass
        self.stdout.write("\nStopped.")

    def welcome(self, url: str) -> None:
        """Say where it is, who may log in and what to try."""
        model = get_settings().model
        offline = " (rules, not a language model; RETINUE_MODEL names another)"
        manage = manage_command()
        lines = [
            "",
            self.style.SUCCESS(f"The shop is open: {url}"),
            f"  assistant {url}{reverse('ai_assistant:dashboard')[1:]}",
            f"  admin     {url}{reverse('admin:index')[1:]}",
            f"  model     {model}{offline if model.startswith('offline:') else ''}",
            *(f"  {login.role:<9} {login.email}, password {login.password}" for login in LOGINS),
            "",
            "To try in another terminal:",
            *(f"  {manage} {example.command}" for example in EXAMPLES),
            "",
            "Ctrl-C stops everything.",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to 65535.")


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
