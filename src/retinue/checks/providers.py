"""What RETINUE says of models, prices and PRSM."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import get_type_hints

from django.core import checks

from retinue.checks.values import described, fits
from retinue.conf import get_settings
from retinue.providers.aliases import alias_circles, alias_problems, price_problems
from retinue.providers.prsm.settings import KEYS as PRSM_KEYS
from retinue.providers.prsm.settings import PRSMSettings


def check_models() -> Iterator[checks.CheckMessage]:
    """What MODELS, PRICES and UNKNOWN_PRICE say."""
    settings = get_settings()
    problems = [problem for name, given in settings.models.items() for problem in alias_problems(name, given)]
    problems += alias_circles(settings.models)
    for name, price in settings.prices.items():
        problems += price_problems(f"RETINUE['PRICES'][{name!r}]", price)
    if isinstance(settings.unknown_price, dict):
        problems += price_problems("RETINUE['UNKNOWN_PRICE']", settings.unknown_price)
    for problem in problems:
        yield checks.Error(problem, id="retinue.E008")


def check_prsm() -> Iterator[checks.CheckMessage]:
    given, types = get_settings().prsm, get_type_hints(PRSMSettings)
    for key, value in given.items():
        annotation = types.get(str(key).lower()) if str(key).isupper() else None
        place = f"RETINUE['PRSM'][{key!r}]"
        if annotation is None:
            near = next(iter(get_close_matches(str(key).upper(), PRSM_KEYS, 1)), "")
            hint = f"Did you mean {near!r}?" if near else "Remove it."
            yield checks.Error(f"RETINUE['PRSM'] has no key {key!r}.", hint=hint, id="retinue.E001")
        elif not fits(value, annotation):
            shown = "not a text" if key == "API_KEY" else repr(value)
            yield checks.Error(f"{place} is {shown}.", hint=f"Expected: {described(annotation)}.", id="retinue.E003")
        elif key == "DEFAULT_TIMEOUT" and not value > 0:
            yield checks.Error(f"{place} is {value!r}.", hint="It must be more than 0.", id="retinue.E004")
        elif key in ("MAX_RETRIES", "CACHE_TTL") and value < 0:
            yield checks.Error(f"{place} is {value!r}.", hint="It must be 0 or more.", id="retinue.E004")
