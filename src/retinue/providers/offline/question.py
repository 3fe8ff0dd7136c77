"""What the offline model asks back, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from retinue.providers.offline.arguments import Arguments
from retinue.providers.offline.clause import Clause
from retinue.providers.offline.record import MOST, Record
from retinue.providers.offline.text import name_words
from retinue.providers.offline.tool import Tool, id_noun


def asking(tool: Tool, found: Arguments) -> str:
    """What a call lacks."""
    names = [" ".join(name_words(name)) for name in found.missing]
    return f"To {tool.title} I still need: {', '.join(names)}. Please tell me."


def which(chosen: Sequence[Record], tool: Tool) -> str:
    """Which of several things is meant."""
    named = [f"{r.name} ({identity})" if (identity := _identity(r, tool)) else r.name for r in chosen[:MOST]]
    more = f" and {len(chosen) - MOST} more" if len(chosen) > MOST else ""
    return f"Several fit: {', '.join(named)}{more}. Which one do you mean?"


def _identity(record: Record, tool: Tool) -> str:
    found = next((record.identify(name) for name in tool.id_names), None)
    return "" if found is None else str(found)


def unsure(words: Sequence[str], record: Record) -> str:
    """Whether the nearest thing is the one that is meant."""
    return f"I found nothing called “{' '.join(words)}”; the nearest is {record.name}. Is that what you mean?"


def not_found(tool: Tool, clause: Clause, found: Arguments, exclude: frozenset[str]) -> str:
    """That the thing to act on is not there."""
    words = " ".join(clause.subject(exclude)) or "that"
    kind = next((name_words(name)[0] for name in found.of_record if id_noun(name)), "")
    return f"I found no {kind or 'match'} for “{words}”, so I could not {tool.title}."
