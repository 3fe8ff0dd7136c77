"""What a model's answer cost, and what it can cost at most."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from retinue.providers.bounds import Bound, bound, candidates, credits_for, rounded
from retinue.providers.rates import cost_of, is_free

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.usage import RequestUsage

__all__ = ["Bound", "Price", "bound", "is_free", "price", "price_usage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an answer cost."""

    cost: Decimal | None
    """US dollars, rounded up to 10⁻⁹; `None`: unknown."""
    provider_cost: str = ""
    """The dollars before rounding, or as the provider sent them."""
    charge: Decimal | None = None
    """Credits, rounded up to 10⁻⁹; `None`: unknown."""
    provider_charge: str = ""
    """The provider's own charge in credits, exactly as sent."""


FREE_PRICE = Price(cost=Decimal(0), charge=Decimal(0))


def price(response: ModelResponse, model: Model) -> Price:
    """What this answer of this model cost: as its provider says, else as the site declares, else as published."""
    details = response.provider_details or {}
    if not details and response.usage.cost is None and is_free(model):
        return FREE_PRICE
    if (charge := _figure(details.get("charge"))) is not None:
        return Price(cost=None, charge=rounded(charge), provider_charge=str(details["charge"]))
    reported = response.usage.cost if response.usage.cost is not None else _figure(details.get("cost"))
    if reported is not None:
        return _in_dollars(reported, as_sent=str(details["cost"]) if response.usage.cost is None else "")
    return _computed(response.usage, _answering(response, model), response)


def price_usage(usage: RequestUsage, model: Model) -> Price:
    """What a request to this model cost that broke off after it had used this much."""
    if usage.cost is not None:
        return _in_dollars(usage.cost)
    return _computed(usage, candidates(model)[0], None)


def _computed(usage: RequestUsage, model: Model, response: ModelResponse | None) -> Price:
    if response is None:
        cost = cost_of(usage, model)
    else:
        cost = cost_of(
            usage,
            model,
            answered_by=response.model_name,
            at=response.timestamp,
            context=response.provider_details,
        )
    if cost is None:
        return Price(cost=None)
    if is_free(model):
        return FREE_PRICE
    if response is not None:
        response.usage.cost = cost  # pydantic-ai would look for it once more
    return _in_dollars(cost)


def _in_dollars(cost: Decimal, *, as_sent: str = "") -> Price:
    return Price(cost=rounded(cost), provider_cost=as_sent or f"{cost:f}", charge=credits_for(cost))


def _figure(value: Any) -> Decimal | None:
    """An amount that a provider sent; None where it is none."""
    if not isinstance(value, str | int | float | Decimal) or isinstance(value, bool):
        return None
    try:
        figure = Decimal(str(value))
    except ArithmeticError:
        return None
    return figure if figure.is_finite() and figure >= 0 else None


def _answering(response: ModelResponse, model: Model) -> Model:
    """Which of the models that may answer for this one has answered."""
    models = candidates(model)
    if len(models) == 1:
        return models[0]
    answered = response.model_name or ""

    def likeness(candidate: Model) -> tuple[bool, bool, int]:
        name = candidate.model_name
        return (
            candidate.base_url == response.provider_url,
            candidate.system == response.provider_name,
            len(name) if answered.startswith(name) else 0,  # a provider may answer with a date behind the name
        )

    return max(models, key=likeness)
