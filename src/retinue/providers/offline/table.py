"""What tools returned, written as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from retinue.providers.offline.text import name_words, shorten, singular
from retinue.providers.offline.words import word_set

MOST_ROWS = 20
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOST_COLUMNS = 8
_CELL = 80


def markdown(content: Any, unlisted: int = 0) -> str:
    """A value as text: lists of things as a table, a thing as a list of its fields.

    `unlisted` is how many there are besides those in a list.
    """
    if isinstance(content, dict):
        return _fields(content)
    if isinstance(content, list):
        tabular = bool(content) and all(isinstance(item, dict) for item in content)
        return _rows(content, unlisted) if tabular else _list(content, unlisted)
    return "" if content is None else str(content).strip()


def unwrapped(content: Any) -> tuple[Any, str, int]:
    """The list in an envelope like `{"count": 2, "results": […]}`, what it is called and how many it leaves out.

    What is no envelope is given as it is.
    """
    if isinstance(content, dict):
        lists = [key for key, value in content.items() if isinstance(value, list)]
        others = [value for value in content.values() if isinstance(value, list | dict)]
        if len(lists) == 1 and len(others) == 1 and _is_envelope(content, lists[0]):
            return content[lists[0]], "" if lists[0] in _PLAIN else lists[0], _unlisted(content, lists[0])
    return content, "", 0


_PLAIN = word_set("results items data rows objects matches records hits entries")
_AROUND = word_set("count total next previous page pages query has_more limit offset")


def _is_envelope(content: dict[str, Any], key: str) -> bool:
    return key in _PLAIN or set(content) - {key} <= _AROUND


def _unlisted(content: dict[str, Any], key: str) -> int:
    """How many there are besides those in the list, where that is all that the envelope is about."""
    total = content.get("total", content.get("count"))
    if isinstance(total, int) and set(content) - {key} <= _AROUND:
        return max(0, total - len(content[key]))
    return 0


def _rows(rows: Sequence[dict[str, Any]], unlisted: int = 0) -> str:
    columns = _columns(rows)
    lines = [_row([heading(column) for column in columns]), _row(["---"] * len(columns))]
    lines += [_row([cell(row.get(column)) for column in columns]) for row in rows[:MOST_ROWS]]
    if more := unlisted + max(0, len(rows) - MOST_ROWS):
        lines += ["", f"… and {more} more."]
    return "\n".join(lines)


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The keys of the rows, without ids for machines where there is a name for people."""
    found = list(dict.fromkeys(key for row in rows for key in row))
    if {"name", "title", "number", "slug"} & set(found):
        found = [key for key in found if not all(_UUID.fullmatch(str(row.get(key))) for row in rows)]
    return found[:_MOST_COLUMNS]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _list(items: Sequence[Any], unlisted: int) -> str:
    lines = [f"- {_inline(item)}" for item in items[:MOST_ROWS]]
    more = unlisted + max(0, len(items) - MOST_ROWS)
    return "\n".join(lines + ([f"- … and {more} more"] if more else []))


def _fields(content: dict[str, Any]) -> str:
    lines = []
    for key, value in content.items():
        nested = isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
        lines.append(f"- **{heading(key)}**: {len(value)}" if nested else f"- **{heading(key)}**: {_inline(value)}")
    tables = [
        f"\n\n{heading(key)}:\n\n{_rows(value)}"
        for key, value in content.items()
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
    ]
    return "\n".join(lines) + "".join(tables)


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return cell(value, 200)


def cell(value: Any, limit: int = _CELL) -> str:
    """A value on one line."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        named = value.get("name") or value.get("title")
        return (
            cell(named)
            if named
            else shorten(", ".join(f"{heading(k)}: {cell(v, 40)}" for k, v in value.items()), limit)
        )
    if isinstance(value, list):
        return shorten(", ".join(cell(item, 40) for item in value), limit) or "–"
    return shorten(str(value), limit).replace("|", "\\|")


def heading(key: str) -> str:
    """A key as a heading: `product_id` is "Product id"."""
    return " ".join(name_words(str(key))).capitalize() or str(key)


def counted(count: int, noun: str) -> str:
    """A number of things: "1 product", "3 products", "3 categories"."""
    one = singular(noun)
    many = one[:-1] + "ies" if one.endswith("y") and one[-2:-1] not in "aeiou" else one + "s"
    many = one + "es" if one.endswith(("s", "x", "ch", "sh")) else many
    return f"{count} {one if count == 1 else many}"
