"""What a model request holds of its run's budgets, from before it is made until its step is written."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from retinue.budgets.book import Portion
from retinue.budgets.units import Unit
from retinue.conf import get_settings
from retinue.errors import BudgetExceeded
from retinue.providers.prices import bound
from retinue.runtime.journal.accounting import Accounting, Settlement
from retinue.runtime.journal.steps import SettleLate, TakeHold, WriteStep
from retinue.runtime.purse import SPARE, Stake, Used
from retinue.runtime.run import LeaseLost

if TYPE_CHECKING:
    from retinue.runtime.run import Frame, Run

DEFAULT_ALLOCATION = 50
"""Credits that a provider which prices its runs itself may take for one request, where nobody says how many."""


def allocated(frame: Frame, settings: ModelSettings | None) -> ModelSettings | None:
    """The settings for a provider that is told for whom it works, and how many credits it may take."""
    given: dict[str, Any] = dict(settings or {})
    given.setdefault("prsm_user_id", str(frame.run.principal))
    if "context_allocation" not in given:
        left = frame.max_credits
        if left is not None:
            spent = sum((s.charge or Decimal(0) for s in frame.run.spent_under(frame.path)), Decimal(0))
            left = max(left - spent, Decimal(1))
        given["context_allocation"] = int(DEFAULT_ALLOCATION if left is None else left)
    return cast(ModelSettings, given)


def limited(frame: Frame, settings: ModelSettings | None) -> ModelSettings | None:
    """The settings of a request whose answer has to be paid for: it must have an end."""
    counted = any(budget.unit != Unit.REQUESTS for budget in frame.run.purse.budgets)
    if not counted or (settings or {}).get("max_tokens") is not None:
        return settings
    return {**(settings or {}), "max_tokens": get_settings().max_output_tokens}


async def take_stakes(
    frame: Frame,
    model: Model,
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> list[Stake]:
    """Hold a request's worst case. Raises BudgetExceeded, or PriceUnknown."""
    run = frame.run
    if not run.purse.budgets:
        return []
    needed = run.purse.needs(bound(model, messages, settings, parameters), model.model_id)
    stakes = run.purse.take(needed)
    wanted = [(s.budget.budget_id, s.needed - s.held) for s in stakes if s.held < s.needed]
    if wanted:
        accounting = Accounting(reference=run.id, wanted=wanted)
        try:
            await run.bridge.journal.write(TakeHold(run=run, accounting=accounting))
        except BaseException as error:
            # A hold that nobody waits for may be written yet: the run's end then asks the ledger what is held.
            run.purse.is_certain = run.purse.is_certain and isinstance(error, BudgetExceeded)
            run.purse.put(portions_of(stakes))
            raise
        for stake in stakes:
            stake.portions += [p for p in accounting.held if p.budget_id == stake.budget.budget_id]
    return stakes


def settlement(
    frame: Frame, stakes: Sequence[Stake], used: Used, *, step: str, goes_on: bool = False
) -> Accounting | None:
    """How a request's step settles what was held for it.

    What nobody knows the price of counts as all that was held. `goes_on`: another request will follow, most likely,
    and is to find its money held.
    """
    if not stakes:
        return None
    return Accounting(
        reference=frame.run.id,
        settlements=[_settled(stake, used, goes_on) for stake in stakes],
        step=f"{frame.path}/{step}" if frame.path else step,
    )


def _settled(stake: Stake, used: Used, goes_on: bool) -> Settlement:
    steps = used.steps(stake.budget.unit)
    keep = 0
    if goes_on:
        # One request more is one request; of everything else it may need a little more than the last one did.
        keep = 1 if stake.budget.unit == Unit.REQUESTS else stake.needed + stake.needed // SPARE
    return Settlement(together(stake.portions), stake.held if steps is None else steps, keep)


def kept(run: Run, accounting: Accounting | None) -> None:
    """Put what a settlement left held where the next request finds it."""
    if accounting is not None:
        run.purse.put(accounting.held)
        accounting.held = []


def last_accounting(run: Run, last: WriteStep | None) -> Accounting | None:
    """How a run's end settles its last step and gives back all that is still held, whatever way it ends."""
    accounting = None if last is None else last.accounting
    idle, run.purse.idle = run.purse.idle, []
    if run.in_flight or not run.purse.is_certain:
        return _from_ledger(run, accounting)
    if not idle:
        return accounting
    accounting = accounting or Accounting(reference=run.id)
    settled = []
    for settlement in accounting.settlements:
        mine = [portion for portion in idle if portion.budget_id == settlement.held[-1].budget_id]
        idle = [portion for portion in idle if portion not in mine]
        settled.append(replace(settlement, held=together([*settlement.held, *mine])))
    accounting.settlements = settled + [Settlement((portion,), 0) for portion in together(idle)]
    return accounting


def _from_ledger(run: Run, accounting: Accounting | None) -> Accounting:
    """The same where this process cannot be sure of what is held, or where something of the run is still asked."""
    if accounting is None:
        return Accounting(reference=run.id, release=[run.id])
    return Accounting(reference=run.id, release=[run.id], late=_late(accounting), step=accounting.step)


def _late(accounting: Accounting) -> list[tuple[int, int]]:
    return [(s.held[-1].budget_id, s.used) for s in accounting.settlements if s.held and s.used]


def settle_late(frame: Frame, stakes: Sequence[Stake], used: Used) -> None:
    """Have a request paid for that was cut off as its run was ended from outside, which gave back its hold."""
    settlements = [_settled(stake, used, goes_on=False) for stake in stakes]
    _post_late(frame.run, Accounting(settlements=settlements, reason="cut off"), used)


def settle_lost(run: Run, step: WriteStep, written: asyncio.Future[Any] | None = None) -> None:
    """The same for a request that was answered after its run had ended, so that its step is not written any more."""
    lost = written is None or (not written.cancelled() and isinstance(written.exception(), LeaseLost))
    if lost and step.accounting is not None:
        row = step.row
        _post_late(run, step.accounting, Used(row.input_tokens + row.output_tokens, row.cost, row.charge))


def _post_late(run: Run, settled: Accounting, used: Used) -> None:
    accounting = Accounting(reference=run.id, late=_late(settled), step=settled.step, reason="cut off")
    run.bridge.journal.post(SettleLate(execution_id=run.id, accounting=accounting, used=used))


def together(portions: Iterable[Portion]) -> tuple[Portion, ...]:
    """The same, in one portion for each period, so that each is one entry in the ledger."""
    steps: Counter[tuple[int, int]] = Counter()
    for portion in portions:
        steps[portion.budget_id, portion.period_id] += portion.steps
    return tuple(Portion(*place, number) for place, number in steps.items())


def portions_of(stakes: Sequence[Stake]) -> list[Portion]:
    return [portion for stake in stakes for portion in stake.portions]
