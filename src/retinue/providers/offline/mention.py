"""What a text mentions literally: numbers, prices, ids, dates, addresses, quotations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from retinue.providers.offline.words import SMALL_NUMBERS

_NUMBER = r"\d+(?:[.,']\d{3})*(?:[.,]\d+)?"
_CURRENCY = r"€|\$|£|¥|EUR\b|USD\b|GBP\b|CHF\b|[Ee]uros?\b|[Dd]ollars?\b|[Pp]ounds?\b"
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

_MENTION = re.compile(
    rf"""
    (?P<quote>"[^"\n]+"|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»|`[^`\n]+`|(?<!\w)['‘](?!\s)[^'’\n]+['’](?!\w))
    |(?P<url>https?://[^\s<>"')]+[^\s<>"').,;:!?])
    |(?P<email>(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
    |(?P<uuid>\b{_UUID}\b)
    |(?P<datetime>\b\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)
    |(?P<date>\b\d{{4}}-\d\d-\d\d\b|\b\d{{1,2}}\.\d{{1,2}}\.\d{{4}}\b|\b\d{{1,2}}\.?\s{_MONTH}\s\d{{4}}\b
        |\b{_MONTH}\s\d{{1,2}},?\s\d{{4}}\b)
    |(?P<day>\b(?i:today|tomorrow|yesterday|in\s\d+\sdays|\d+\sdays\sago)\b)
    |(?P<time>\b\d{{1,2}}:\d\d(?::\d\d)?\b)
    |(?P<percent>-?{_NUMBER}\s?(?:%|percent\b|per\scent\b))
    |(?P<money>(?:{_CURRENCY})\s?{_NUMBER}|{_NUMBER}\s?(?:{_CURRENCY}))
    |(?P<hash>(?:\#|\b(?i:id|no\.|nr\.|number)[\s:=\#]+)\d+\b)
    |(?P<code>\b[A-Za-z]{{1,6}}-?\d[\w-]*\b|\b[A-Z]{{2,}}-[A-Z0-9-]+\b)
    |(?P<slug>\b[a-z0-9]+(?:-[a-z0-9]+)+\b)
    |(?P<number>(?<![\w.])-?{_NUMBER}(?![\w%]))
    |(?P<word>\b(?i:{"|".join(SMALL_NUMBERS)})\b)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Mention:
    """One literal value: `kind` is the name of the pattern it fits, `value` what it means."""

    kind: str
    value: Any
    text: str
    start: int
    end: int


def mentions(text: str, at: datetime) -> tuple[Mention, ...]:
    """Everything that a text mentions, in order; `at` is the time to which "today" refers."""
    found = []
    for match in _MENTION.finditer(text):
        kind = str(match.lastgroup)
        value = _value(kind, match[0], at)
        if value is not None:
            found.append(Mention(_KINDS.get(kind, kind), value, match[0], match.start(), match.end()))
    return tuple(found)


_KINDS = {"day": "date", "word": "number"}


def _value(kind: str, text: str, at: datetime) -> Any:
    match kind:
        case "quote":
            return text[1:-1].strip() or None
        case "percent" | "money" | "number" | "hash":
            return number(text)
        case "word":
            return SMALL_NUMBERS[text.lower()]
        case "date":
            return _date(text)
        case "day":
            return _day(text.lower(), at)
        case "datetime":
            return text.replace(" ", "T")
        case _:
            return text


def number(text: str) -> int | float | None:
    """The first number in a text, with `.` or `,` for decimals: whole ones are an `int`."""
    match = re.search(rf"-?{_NUMBER}", text)
    if match is None:
        return None
    digits = match[0].replace("'", "")
    comma, dot = digits.rfind(","), digits.rfind(".")
    if comma > dot:
        thousands = len(digits) - comma == 4 and (dot < 0 or digits.count(",") > 1)
        digits = digits.replace(",", "") if thousands else digits.replace(".", "").replace(",", ".")
    elif dot > comma:
        digits = digits.replace(".", "") if digits.count(".") > 1 else digits.replace(",", "")
    value = float(digits)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _date(text: str) -> str | None:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text).isoformat()
        parts = re.findall(r"\d+|[A-Za-z]+", text)
        month = next((_MONTHS.index(p[:3].lower()) + 1 for p in parts if p.isalpha()), None)
        digits = [int(p) for p in parts if p.isdigit()]
        return date(digits[-1], month or digits[1], digits[0]).isoformat()
    except ValueError:
        return None


def _day(text: str, at: datetime) -> str:
    count = int(re.sub(r"\D", "", text) or 0)
    days = {"today": 0, "tomorrow": 1, "yesterday": -1}.get(text, -count if "ago" in text else count)
    return (at.date() + timedelta(days=min(max(days, -36500), 36500))).isoformat()
