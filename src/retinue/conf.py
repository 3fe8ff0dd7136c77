"""The `RETINUE` setting: every key, its type and its default. Read live, so that tests can override it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.functional import Promise

OFFLINE_MODEL = "offline:default"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of `RETINUE`, in lower case here. Times are in seconds."""

    model: str = OFFLINE_MODEL
    """The model of agents that name none: see [Models and prices](providers.md)."""
    database: str = "default"
    """The database that holds executions and their journal."""
    dispatcher: str = "worker"
    """How queued work reaches workers."""
    embedded_worker: bool | None = None
    """Whether a server process works too; `None`: when DEBUG is on."""
    concurrency: int = 100
    """How many executions a worker runs at once."""
    poll_seconds: float = 0.05
    """How often an idle worker looks for new work."""
    lease_seconds: float = 20.0
    """How long a claim lasts without a heartbeat."""
    heartbeat_seconds: float = 1.0
    """How often a process looks after its leases and for cancelled runs."""
    grace_seconds: float = 10.0
    """How long steps in flight may go on after a worker was told to stop."""
    max_attempts: int = 3
    """How many times in a row an execution may take its process down before it fails."""
    orphans: Literal["resume", "fail"] = "resume"
    """What becomes of a run whose process died while `run` waited for it."""
    resume_changed: Literal["continue", "fail"] = "continue"
    """What becomes of an execution whose agent's definition changed in between."""
    tool_threads: int = 4
    """How many transactional tools run at once in a process (on SQLite: one)."""
    tool_transaction_seconds: float = 6.0
    """How long a tool's transaction may stay open; less than a third of the lease."""
    max_prompt_chars: int = 100_000
    """The longest prompt."""
    max_depth: int = 8
    """How deep agents may delegate to agents."""
    approval_ttl: float | None = 24 * 3600.0
    """How long an approval stays open before it is denied; `None`: for ever."""
    system_permissions: Literal["all"] | tuple[str, ...] | list[str] = "all"
    """What the system principal may do."""
    context: list[str] = field(default_factory=lambda: ["retinue.runtime.context.Language"])
    """Dotted paths of hooks that carry a caller's context (language, time zone, tenant) into the run."""
    redact: str | None = None
    """Dotted path of a function `(kind, payload: bytes) -> bytes` that sees every payload before it is stored."""
    cache: str = "default"
    """Which of the site's `CACHES` keeps the answers of agents that have them [cached](agents.md#cached-answers)."""
    assistant: str = "assistant"
    """The agent that answers on the [assistant's pages](assistant.md)."""
    assistant_examples: dict[str, list[str | Promise]] = field(default_factory=dict)
    """Questions that an empty chat [offers](assistant.md#example-questions): a list for each agent's name."""
    guest_agents: list[str] | tuple[str, ...] = ()
    """Agents that visitors may talk to who are not logged in; each of them must also be `PUBLIC`."""
    session_idle_days: float = 7.0
    """After how many days without a message a conversation is closed."""
    session_history: Literal["drop", "summarise"] = "drop"
    """What becomes of the oldest messages of a conversation that is too long for the model."""
    session_history_tokens: int = 8000
    """How long the history that a model is given may be."""
    events: str = "auto"
    """How a process learns of what runs stream in others: `"auto"` (PostgreSQL's LISTEN and NOTIFY, else by polling),
    `"poll"`, or the URL of a Redis server."""
    event_days: float = 30.0
    """For how many days after its end the stream of a run can be read again."""
    offline_latency: float = 0.0
    """How long the offline model takes to answer."""

    default_budgets: list[dict[str, Any]] = field(
        default_factory=lambda: [{"owner": "user", "unit": "credits", "period": "month", "limit": 1000}]
    )
    """Budgets that every user or guest has unless he has one of that unit and period: `owner` ("user" or "guest"),
    `unit`, `period`, `limit`."""
    credits_name: str = "credits"
    """What the site calls its credits."""
    credits_per_usd: Decimal | int | None = Decimal(100)
    """How many credits an answer costs for each US dollar that it costs, where its provider does not charge in
    credits itself; `None`: credits and dollars have nothing to do with each other."""
    models: dict[str, Any] = field(default_factory=dict)
    """Names of the site's own for models: see [Models and prices](providers.md)."""
    model_timeout: float = 120.0
    """How long a provider may be silent before a request counts as failed."""
    model_retries: int = 3
    """How many times a request is made again that a provider did not take."""
    max_output_tokens: int = 4096
    """The longest answer of a model where its settings say no `max_tokens`."""
    prices: dict[str, Any] = field(default_factory=dict)
    """Prices of models, in US dollars for a million tokens: see [Prices](providers.md#prices)."""
    unknown_price: Literal["block"] | dict[str, Any] = "block"
    """The price of models whose price nobody knows, or `"block"`: they do not run where a budget of money applies."""
    prsm: dict[str, Any] = field(default_factory=dict)
    """Where a PRSM service is and how to speak to it: see [PRSM](prsm.md)."""

    @property
    def embeds_worker(self) -> bool:
        return django_settings.DEBUG if self.embedded_worker is None else self.embedded_worker


KEYS = tuple(f.name.upper() for f in fields(Settings))


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The site's settings. Unknown keys are left to the system check `retinue.E001`.

    Raises ImproperlyConfigured if RETINUE is no dict.
    """
    given = getattr(django_settings, "RETINUE", {}) or {}
    if not isinstance(given, dict):
        raise ImproperlyConfigured(f"RETINUE is a {type(given).__name__}. Make it a dict.")
    return Settings(**{key.lower(): value for key, value in given.items() if key in KEYS})


def unknown_keys() -> dict[str, str]:
    """Keys of `RETINUE` that mean nothing, each with a near match or an empty string."""
    given: dict[str, Any] = getattr(django_settings, "RETINUE", {}) or {}
    return {str(key): next(iter(get_close_matches(str(key).upper(), KEYS, 1)), "") for key in given if key not in KEYS}


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "RETINUE":
        get_settings.cache_clear()


setting_changed.connect(_forget)
