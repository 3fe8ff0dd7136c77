"""What the assistant site needs beside its app: see retinue.checks for the ids."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks

from retinue.agents.policy import PUBLIC
from retinue.conf import get_settings
from retinue.errors import DuplicateAgent

TAG = "retinue"
APPS = ("django.contrib.sessions", "django.contrib.auth", "django.contrib.messages", "django.contrib.staticfiles")
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
)
PACKAGES = ("markdown_it", "nh3", "pygments")


@checks.register(TAG)
def check_installation(**kwargs: Any) -> list[checks.CheckMessage]:
    """Apps, middleware and packages that the pages are made with."""
    return [
        *(_missing(f"{name!r} in INSTALLED_APPS", "Add it.") for name in APPS if not apps.is_installed(name)),
        *(
            _missing(f"{name!r} in MIDDLEWARE", "Add it.")
            for name in MIDDLEWARE
            if name not in django_settings.MIDDLEWARE
        ),
        *(
            _missing(f"the package {name!r}", "pip install django-retinue[assistant]")
            for name in PACKAGES
            if find_spec(name) is None
        ),
    ]


def _missing(what: str, hint: str) -> checks.CheckMessage:
    return checks.Error(f"retinue.assistant needs {what}.", hint=hint, id="retinue.E015")


@checks.register(TAG, deploy=True)
def check_assistants(**kwargs: Any) -> list[checks.CheckMessage]:
    """The agents that ASSISTANT, GUEST_AGENTS and ASSISTANT_EXAMPLES name."""
    from retinue.agents.registry import all_agents

    try:
        agents = all_agents()
    except DuplicateAgent:
        return []  # said by retinue.E011
    return [*_unusable(agents)]


def _unusable(agents: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    named = {
        "ASSISTANT": [settings.assistant],
        "GUEST_AGENTS": settings.guest_agents,
        "ASSISTANT_EXAMPLES": settings.assistant_examples,
    }
    for key, names in named.items():
        for name in names:
            if name not in agents:
                hint = f"There are: {', '.join(agents) or 'none'}."
                yield checks.Error(
                    f"RETINUE[{key!r}] names the agent {name!r}: there is none.", hint=hint, id="retinue.E016"
                )
    for name in settings.guest_agents:
        if name in agents and agents[name].permission != PUBLIC:
            yield checks.Error(
                f"RETINUE['GUEST_AGENTS'] names {name!r}, which guests may not run.",
                hint="Give it permission=PUBLIC.",
                id="retinue.E016",
            )
