"""What is set aside for a run: taken before a model request, settled with its step."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from retinue.budgets.applicable import Applicable
from retinue.budgets.book import Portion
from retinue.budgets.units import Unit
from retinue.errors import PriceUnknown

if TYPE_CHECKING:
    from retinue.providers.prices import Bound

SPARE = 4
"""One part in so many is held beyond the last request's worst case, so that the next one rarely has to ask again."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a request used. None: nobody knows."""

    tokens: int | None
    cost: Decimal | None
    charge: Decimal | None

    def steps(self, unit: Unit) -> int | None:
        """In a budget's unit."""
        match unit:
            case Unit.REQUESTS:
                return 1
            case Unit.TOKENS:
                return self.tokens
            case Unit.USD:
                return None if self.cost is None else unit.to_steps(self.cost)
            case Unit.CREDITS:
                return None if self.charge is None else unit.to_steps(self.charge)


@dataclass(slots=True)
class Stake:
    """What one request has taken of a budget."""

    budget: Applicable
    needed: int
    portions: list[Portion]

    @property
    def held(self) -> int:
        return sum(portion.steps for portion in self.portions)


@dataclass
class Purse:
    """Held for a run and not in use: runs inside it draw on it, too."""

    budgets: tuple[Applicable, ...] = ()
    idle: list[Portion] = field(default_factory=list)
    is_certain: bool = True
    """Whether this is all that is held: not where a commit's answer was lost."""

    def needs(self, bound: Bound, model_name: str) -> dict[Applicable, int]:
        """How much of each budget a request needs. Raises PriceUnknown."""
        needed: dict[Applicable, int] = {}
        for budget in self.budgets:
            match budget.unit:
                case Unit.REQUESTS:
                    needed[budget] = 1
                case Unit.TOKENS:
                    needed[budget] = bound.input_tokens + bound.output_tokens
                case _:
                    amount = bound.cost if budget.unit == Unit.USD else bound.charge
                    if amount is None:
                        raise PriceUnknown(
                            f"What the model {model_name!r} costs in {budget.unit.shown} is not known, and a budget in "
                            f"{budget.unit.shown} applies. Declare its price in RETINUE['PRICES'], or one for all "
                            "such models in RETINUE['UNKNOWN_PRICE']."
                        )
                    needed[budget] = budget.unit.to_steps(amount)
        return {budget: steps for budget, steps in needed.items() if steps}

    def take(self, needed: dict[Applicable, int]) -> list[Stake]:
        """What is there of it; the rest is to be held."""
        stakes = []
        for budget, steps in needed.items():
            mine, left = [], steps
            for portion in [p for p in self.idle if p.budget_id == budget.budget_id]:
                self.idle.remove(portion)
                part = min(portion.steps, left)
                left -= part
                if part:
                    mine.append(Portion(portion.budget_id, portion.period_id, part))
                if portion.steps > part:
                    self.idle.append(Portion(portion.budget_id, portion.period_id, portion.steps - part))
            stakes.append(Stake(budget, steps, mine))
        return stakes

    def put(self, portions: list[Portion]) -> None:
        """What is not in use any more."""
        self.idle.extend(portions)
