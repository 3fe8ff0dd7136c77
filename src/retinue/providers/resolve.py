"""From a model's name to the model."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed

from retinue.conf import get_settings
from retinue.errors import ConfigurationError
from retinue.providers.aliases import Alias, read_alias
from retinue.providers.rates import FREE_SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_ai.models import Model
    from pydantic_ai.providers import Provider


def resolve_model(name: str) -> Model:
    """The model of this name: one of pydantic-ai's, Retinue's own, or what `RETINUE["MODELS"]` calls so.

    Raises ConfigurationError for an unknown name, or where a key or a package is missing.
    """
    if name.startswith("offline:"):
        return _offline(name.partition(":")[2], get_settings().offline_latency)
    return _resolve(name)


@lru_cache(maxsize=8)
def _offline(name: str, latency: float) -> Model:
    from retinue.providers.offline import OfflineModel

    return OfflineModel(name, latency=latency)


@lru_cache(maxsize=64)
def _resolve(name: str) -> Model:
    models = _models(name, _Terms())
    if len(models) == 1:
        return models[0]
    from retinue.providers.served import ModelChain

    return ModelChain(name, models)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "RETINUE":
        _resolve.cache_clear()


setting_changed.connect(_forget)


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """On which terms a model is asked, from the aliases that lead to it; the inner ones go first."""

    aliases: tuple[str, ...] = ()
    timeout: float | None = None
    retries: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    price: Mapping[str, Any] | None = None
    base_url: str = ""
    api_key_env: str = ""

    def within(self, alias: Alias) -> _Terms:
        return replace(
            self,
            aliases=(alias.name, *self.aliases),
            timeout=self.timeout if alias.timeout is None else alias.timeout,
            retries=self.retries if alias.retries is None else alias.retries,
            settings={**self.settings, **alias.settings},
            price=self.price if alias.price is None else alias.price,
            base_url=alias.base_url or self.base_url,
            api_key_env=alias.api_key_env or self.api_key_env,
        )


def _models(name: str, terms: _Terms) -> list[Model]:
    """The models that a name stands for, in the order in which they are asked."""
    aliases = get_settings().models
    if name not in aliases:
        return [_model(name, terms)]
    if name in terms.aliases:
        path = " → ".join([*reversed(terms.aliases), name])
        raise ConfigurationError(f"The model {name!r} cannot be used: it leads to itself ({path}).")
    alias = read_alias(name, aliases[name])
    return [model for each in alias.models for model in _models(each, terms.within(alias))]


def _model(name: str, terms: _Terms) -> Model:
    from pydantic_ai.exceptions import UserError

    if name.startswith("offline:"):
        return resolve_model(name)
    if name.startswith("prsm:"):
        return _prsm(name, terms)
    try:
        is_own_server = bool(terms.base_url) and not _names_provider(name)
        model = _on_own_server(name, terms) if is_own_server else _of_provider(name, terms)
    except (UserError, ValueError, ImportError) as error:
        raise ConfigurationError(_explain(name, error)) from error
    if model.system in FREE_SYSTEMS:
        return model
    from retinue.providers.served import ServedModel

    settings = get_settings()
    return ServedModel(
        model,
        given_names=(name, *terms.aliases),
        timeout=settings.model_timeout if terms.timeout is None else terms.timeout,
        retries=settings.model_retries if terms.retries is None else terms.retries,
        settings=terms.settings,
        declared_price=terms.price,
        is_own_server=is_own_server,
    )


def _prsm(name: str, terms: _Terms) -> Model:
    """PRSM has rules of its own for retries; under an alias it takes that one's settings and time limit."""
    from retinue.providers.prsm import PRSMModel
    from retinue.providers.prsm.settings import get_prsm_settings
    from retinue.providers.served import ServedModel

    model = PRSMModel(name.partition(":")[2])
    if not terms.aliases:
        return model
    timeout = get_prsm_settings().default_timeout if terms.timeout is None else terms.timeout
    return ServedModel(model, given_names=(name, *terms.aliases), timeout=timeout, retries=0, settings=terms.settings)


def _names_provider(name: str) -> bool:
    """Whether the name begins with a provider; names of Ollama have colons, too."""
    from pydantic_ai.providers import infer_provider_class

    provider, colon, _ = name.partition(":")
    try:
        return bool(colon) and infer_provider_class(provider) is not None
    except ValueError:
        return False


def _on_own_server(name: str, terms: _Terms) -> Model:
    """A model of a server that speaks OpenAI's chat completions, such as Ollama or vLLM."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    provider = OpenAICompatibleProvider(terms.aliases[0], base_url=terms.base_url, api_key=_key(name, terms))
    return OpenAIChatModel(name, provider=provider)


def _of_provider(name: str, terms: _Terms) -> Model:
    from pydantic_ai.models import infer_model
    from pydantic_ai.providers import infer_provider_class

    given: dict[str, Any] = {"base_url": terms.base_url, "api_key": _key(name, terms)}
    given = {key: value for key, value in given.items() if value}
    if not given:
        return infer_model(name)

    def provider(kind: str) -> Provider[Any]:
        try:
            return infer_provider_class(kind)(**given)
        except TypeError as error:
            raise ValueError(f"{kind!r} takes no {' and no '.join(given)}.") from error

    return infer_model(name, provider)


def _key(name: str, terms: _Terms) -> str | None:
    """The key from the variable that an alias names. Raises ConfigurationError where it is not set."""
    if not terms.api_key_env:
        return None
    if key := os.environ.get(terms.api_key_env):
        return key
    raise ConfigurationError(_needs_key(name, terms.api_key_env))


def _needs_key(name: str, variables: str) -> str:
    return f"The model {name!r} needs a key: set the environment variable {variables}."


def _explain(name: str, error: Exception) -> str:
    variables = dict.fromkeys(re.findall(r"`([A-Z][A-Z0-9_]*_(?:KEY|TOKEN))`", str(error)))
    if variables:
        return _needs_key(name, " or ".join(variables))
    if isinstance(error, ImportError):
        return f"The model {name!r} needs a package that is not installed: {error}"
    what = str(error)
    if near := get_close_matches(name, get_settings().models, 1):
        what = f"There is no such model. Did you mean {near[0]!r}?"
    elif ":" not in name:
        what = f"Unknown model: {name}. A name begins with its provider, as in 'openai:gpt-5-mini'."
    return f"The model {name!r} cannot be used: {what}"
