"""`RETINUE["PRSM"]`: where the service is and how to speak to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from typing import Literal
from urllib.parse import urlsplit

from retinue.conf import get_settings
from retinue.errors import ConfigurationError

BASE_URL_VARIABLE = "PRSM_API_URL"
API_KEY_VARIABLE = "PRSM_API_KEY"


@dataclass(frozen=True, kw_only=True)
class PRSMSettings:
    """The keys of `RETINUE["PRSM"]`, in lower case here. Times are in seconds."""

    base_url: str | None = None
    """The service's address; where it is not given, that of the environment's PRSM_API_URL."""
    api_key: str | None = field(default=None, repr=False)
    """The key; where it is not given, that of the environment's PRSM_API_KEY."""
    default_timeout: float = 30.0
    """How long one attempt may take."""
    max_retries: int = 3
    """How many times a refused attempt is made again."""
    cache_ttl: int = 300
    """How long an answer is kept for the same prompt of the same user, by agents that cache."""
    dialect: Literal["guide", "node"] = "guide"
    """Which of PRSM's interfaces the service speaks."""

    def completed(self) -> PRSMSettings:
        """With what the environment adds. Raises ConfigurationError where something is missing or cannot be used."""
        base_url = (self.base_url or os.environ.get(BASE_URL_VARIABLE, "")).strip()
        api_key = (self.api_key or os.environ.get(API_KEY_VARIABLE, "")).strip()
        if not base_url:
            raise ConfigurationError(_missing("an address", "BASE_URL", BASE_URL_VARIABLE))
        if not _is_address(base_url):
            raise ConfigurationError('PRSM\'s address, RETINUE["PRSM"]["BASE_URL"], is none; it begins with https://.')
        if not api_key and self.dialect == "guide":  # a node asks for none
            raise ConfigurationError(_missing("a key", "API_KEY", API_KEY_VARIABLE))
        if not (api_key.isascii() and api_key.isprintable()):  # or the header's own error would show it
            raise ConfigurationError('PRSM\'s key, RETINUE["PRSM"]["API_KEY"], has characters that no key has.')
        return replace(self, base_url=base_url.rstrip("/"), api_key=api_key)


KEYS = tuple(item.name.upper() for item in fields(PRSMSettings))


def get_prsm_settings() -> PRSMSettings:
    """What the site says. Unknown keys are left to the system check `retinue.E001`."""
    return PRSMSettings(**{key.lower(): value for key, value in get_settings().prsm.items() if key in KEYS})


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an impossible port, say
        return False


def _missing(what: str, key: str, variable: str) -> str:
    return f'PRSM needs {what}: set RETINUE["PRSM"]["{key}"] or the environment variable {variable}.'
