"""What a model's answer cost, in US dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from retinue.fields import UNIT, to_units

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model

FREE_SYSTEMS = frozenset({"offline"})
"""Models that run here and cost nothing."""


def price(response: ModelResponse, model: Model) -> tuple[Decimal | None, str]:
    """The cost, rounded up to 10⁻⁹ dollars, and the figure before rounding; None where no price is known.

    The figures come from genai-prices' bundled data, or from the provider where it reports its own.
    """
    if model.system in FREE_SYSTEMS:
        return Decimal(0), ""
    figure = response.usage.cost  # filled in by pydantic-ai from genai-prices, or by the provider
    if figure is None:
        return None, ""
    return to_units(figure) * UNIT, f"{figure:f}"
