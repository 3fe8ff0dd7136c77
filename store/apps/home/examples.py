"""Command lines to try, the same on the page and in the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.users.demo import CUSTOMER, STAFF, Login


@dataclass(frozen=True, kw_only=True)
class Example:
    """A command line, and what it shows."""

    command: str
    shows: str | Promise


def manage_command() -> str:
    """How this very site's `manage.py` is called from the folder that the process was started in."""
    python = "python" if shutil.which("python") == sys.executable else _short(Path(sys.executable))
    return f"{python} {_short(settings.BASE_DIR / 'manage.py')}"


def _short(path: Path) -> str:
    """The path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _ask(agent: str, prompt: str, login: Login) -> str:
    return f'run_agent {agent} "{prompt}" --user {login.email}'


EXAMPLES = (
    Example(
        command=_ask("content_analyzer", "What do customers say about the Harbour Armchair?", CUSTOMER),
        shows=_("Reads the reviews of a product and judges their tone: an answer of a declared type."),
    ),
    Example(
        command=_ask("catalogue_helper", "Which products are low in stock?", STAFF),
        shows=_("Uses a tool that reads the catalogue."),
    ),
    Example(
        command=_ask("catalogue_helper", "Set the price of heron-floor-lamp to 249.00", STAFF),
        shows=_("A price changes only when a person has agreed: the run waits, for days if need be."),
    ),
    Example(
        command="approvals list",
        shows=_("What waits for a decision; approve or deny it here or in the admin."),
    ),
    Example(command="orchestrator_status", shows=_("The database, the queue, the workers and the agents.")),
)
