"""What a model costs per token: as the site declares it, or as its provider publishes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from retinue.conf import get_settings

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice
    from pydantic_ai.models import Model
    from pydantic_ai.usage import RequestUsage

FREE_SYSTEMS = frozenset({"offline", "test", "function"})
"""Models that run here and cost nothing, unless `PRICES` names them."""
PER_MILLION = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
"""What a declared price may have, and how genai-prices calls it; beside them `request`, for each request."""
PER_REQUEST = "requests_kcount"
"""Of genai-prices: dollars for a thousand requests."""
MILLION = Decimal(10**6)
HALF_HOURS = [timedelta(minutes=30 * number) for number in range(49)]


def declared(model: Model) -> ModelPrice | None:
    """The price that the site's settings give this model."""
    settings = get_settings()
    found: Mapping[str, Any] | None = None
    if settings.prices:
        found = next((settings.prices[name] for name in names(model) if name in settings.prices), None)
    found = found or getattr(model, "declared_price", None)
    return None if found is None else _read(found)


def is_free(model: Model) -> bool:
    """Whether this model runs here and costs nothing."""
    return model.system in FREE_SYSTEMS and declared(model) is None


def unknown() -> ModelPrice | None:
    """The price of models whose price nobody knows, where the site declares one."""
    price = get_settings().unknown_price
    return None if isinstance(price, str) else _read(price)


def names(model: Model) -> Iterator[str]:
    """By which names `PRICES` may know a model: its alias, its own, with its provider, with its host."""
    yield from getattr(model, "given_names", ())
    yield model.model_id
    if url := model.base_url:
        parts = urlsplit(url)
        yield f"{parts.hostname}:{model.model_name}"
        yield f"{parts.netloc}:{model.model_name}"


def cost_of(
    usage: RequestUsage,
    model: Model,
    *,
    answered_by: str | None = None,
    at: datetime | None = None,
    context: Mapping[str, Any] | None = None,
) -> Decimal | None:
    """US dollars, unrounded, for what a provider reported; None where no price is known or nothing was reported.

    answered_by: the model's name as the provider says it, which may be more exact than the one asked for.
    context: what else the provider said of the request, such as its service tier.
    """
    price = declared(model)
    if price is None and model.system in FREE_SYSTEMS:
        return Decimal(0)
    if usage.unmeasured_requests or not (usage.input_tokens or usage.output_tokens):
        return _calculated(price, usage) if price is not None and set(vars(price)) == {PER_REQUEST} else None
    if price is None:
        price = _published_price(model, answered_by, at or datetime.now(UTC), context or {})
    if price is None and not hasattr(model, "bound_charge"):
        price = unknown()
    return None if price is None else _calculated(price, usage)


def _published_price(
    model: Model, answered_by: str | None, at: datetime, context: Mapping[str, Any]
) -> ModelPrice | None:
    for name in dict.fromkeys((answered_by or model.model_name, model.model_name)):
        if (found := published(model, name)) is not None:
            return found.get_prices(at, {key: value for key, value in context.items() if isinstance(value, str)})
    return None


def published(model: Model, name: str) -> ModelInfo | None:
    """What genai-prices knows of the model: by its address, else by its provider's name (not for one's own server)."""
    from genai_prices.data_snapshot import get_snapshot

    snapshot, url = get_snapshot(), model.base_url
    references: list[tuple[str | None, str | None]] = [(None, url)] if url else []
    if not getattr(model, "is_own_server", False):
        references.append((model.system, None))
    for provider_id, address in references:
        try:
            return snapshot.find_provider_model(name, None, provider_id, address)[1]
        except LookupError:
            continue
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstRates:
    """The most that a model may cost: US dollars per token, from how many input tokens on."""

    input: tuple[tuple[int, Decimal], ...]
    long_cache: tuple[tuple[int, Decimal], ...]
    """With what is written to a cache that lasts for an hour."""
    media: tuple[tuple[int, Decimal], ...]
    """With images, sound or video among the input."""
    output: tuple[tuple[int, Decimal], ...]
    output_media: tuple[tuple[int, Decimal], ...]
    request: Decimal

    def cost(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        long_cache: bool = False,
        media: bool = False,
        output_media: bool = False,
    ) -> Decimal:
        """US dollars, unrounded."""
        inputs = [self.input]
        if long_cache:
            inputs.append(self.long_cache)
        if media:
            inputs.append(self.media)
        outputs = [self.output, self.output_media] if output_media else [self.output]
        return (
            max(_rate(tiers, input_tokens) for tiers in inputs) * input_tokens
            + max(_rate(tiers, input_tokens) for tiers in outputs) * output_tokens
            + self.request
        )


FREE = WorstRates(input=(), long_cache=(), media=(), output=(), output_media=(), request=Decimal(0))


def worst_rates(model: Model, *, any_tier: bool) -> WorstRates | None:
    """The most that this model may cost today; None where no price is known.

    any_tier: in whichever service tier it is answered, not only in the standard one.
    """
    if (price := declared(model)) is not None:
        return _worst((price,))
    if is_free(model):
        return FREE
    if (info := published(model, model.model_name)) is not None:
        return _worst_published(_Known(info), datetime.now(UTC).date(), any_tier)
    return None if (price := unknown()) is None or hasattr(model, "bound_charge") else _worst((price,))


class _Known:
    """A model of genai-prices, as a key of a cache."""

    def __init__(self, info: ModelInfo) -> None:
        self.info = info

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.info is other.info

    def __hash__(self) -> int:
        return id(self.info)


@lru_cache(maxsize=256)
def _worst_published(known: _Known, day: date, any_tier: bool) -> WorstRates | None:
    """Prices may differ by the hour, and new ones may begin: all of a day are taken, up to the next."""
    midnight = datetime.combine(day, time(), UTC)
    contexts: list[Mapping[str, str] | None] = [None]
    if any_tier:
        contexts += [variant.when for variant in known.info.price_variants or ()]
    return _worst(
        tuple(known.info.get_prices(midnight + later, context) for later in HALF_HOURS for context in contexts)
    )


def _worst(prices: tuple[ModelPrice, ...]) -> WorstRates | None:
    tiers: dict[str, dict[int, Decimal]] = {
        "input": {},
        "long_cache": {},
        "media": {},
        "output": {},
        "output_media": {},
    }
    request, known = Decimal(0), False
    for price in prices:
        for key, value in vars(price).items():
            if value is None:
                continue
            if key == PER_REQUEST:
                request, known = max(request, _base(value) / 1000), True
            elif kind := _kind(key):
                known = True
                for start, rate in _tiers(value):
                    tiers[kind][start] = max(rate, tiers[kind].get(start, rate))
    return (
        WorstRates(request=request, **{kind: tuple(sorted(found.items())) for kind, found in tiers.items()})
        if known
        else None
    )


def _kind(key: str) -> str | None:
    if key in ("input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_5m_mtok"):
        return "input"
    if key == "cache_write_1h_mtok":
        return "long_cache"
    if key in ("output_mtok", "output_reasoning_mtok", "output_citation_mtok"):
        return "output"
    if key.endswith("_mtok") and key.startswith(("input_", "output_")):
        return "media" if key.startswith("input_") else "output_media"
    return None


def _base(value: Any) -> Decimal:
    base: Decimal = getattr(value, "base", value)
    return base


def _tiers(value: Any) -> Iterator[tuple[int, Decimal]]:
    yield 0, _base(value) / MILLION
    for tier in getattr(value, "tiers", ()):
        yield tier.start, tier.price / MILLION


def _rate(tiers: tuple[tuple[int, Decimal], ...], tokens: int) -> Decimal:
    """The highest rate that may apply to a request of up to so many input tokens."""
    return max((rate for start, rate in tiers if tokens > start or not start), default=Decimal(0))


def _calculated(price: ModelPrice, usage: RequestUsage) -> Decimal | None:
    try:
        return price.calc_price(usage)["total_price"]
    except ValueError:  # figures that contradict each other
        return None


def _read(given: Mapping[str, Any]) -> ModelPrice:
    return _declared(tuple(sorted((key, str(value)) for key, value in given.items())))


@lru_cache(maxsize=256)
def _declared(items: tuple[tuple[str, str], ...]) -> ModelPrice:
    from genai_prices.types import ModelPrice

    figures = {key: Decimal(value) for key, value in items}
    request = figures.pop("request", None)
    named = {PER_MILLION[key]: figure for key, figure in figures.items()}
    return ModelPrice(**named, **({} if request is None else {PER_REQUEST: request * 1000}))
