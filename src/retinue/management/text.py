"""Values as a terminal shows them."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from retinue.budgets.units import Unit

WIDTH = 160
"""How much of a value is shown on a line of progress."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """The text without characters that steer a terminal: models and tools may say anything."""
    return _CONTROLS.sub("\ufffd", text)


def shortened(value: Any, width: int = WIDTH) -> str:
    """A value on one line, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else f"{line[: width - 1]}…"


def called(tool: str, arguments: dict[str, Any]) -> str:
    """A call as it would be written in Python."""
    given = ", ".join(f"{name}={shortened(json.dumps(value, ensure_ascii=False))}" for name, value in arguments.items())
    return f"{printable(tool)}({given})"


def answer_text(output: Any) -> str:
    """An output for people: a text as it is, anything else as indented JSON."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2)


def paid(cost: Decimal | None, charge: Decimal | None) -> str:
    """A cost in US dollars, and the charge in the site's credits if there is one; what is not known says so."""
    credits = f"{charge.normalize():f} {Unit.CREDITS.shown}" if charge is not None else ""
    if cost is None:
        return credits or "cost unknown"
    dollars = f"{cost.normalize():f} USD"
    return f"{dollars}, {credits}" if charge else dollars


def duration(seconds: float) -> str:
    """A length of time in its two largest units, or in one where it is short."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"
