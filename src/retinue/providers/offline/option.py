"""Which of the values that a schema lists a clause names, and whether it says yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retinue.providers.offline.clause import Clause
from retinue.providers.offline.schema import Schema, choices
from retinue.providers.offline.text import concept, name_concepts, name_words, tokens
from retinue.providers.offline.words import NEGATIONS, OFF, ON, word_set

_EMPTY_FLAGS = word_set("is has in only include with be should are")


def option(schema: Schema, clause: Clause) -> Any:
    """The one of a schema's listed values that a clause names, the last after "to"; None if it names none."""
    offered = choices(schema) or []
    said = [token.concept for token in tokens(clause.text)]
    places = [(place, value) for value in offered if (place := _place(value, said)) is not None]
    if not places:
        return None
    target = [token.concept for token in tokens(clause.value)]
    aimed = [value for value in offered if target and _place(value, target) is not None]
    return aimed[0] if aimed else min(places, key=lambda pair: pair[0])[1]


def _place(value: Any, said: Sequence[str]) -> int | None:
    words = name_concepts(str(value))
    return said.index(words[0]) if words and set(words).issubset(said) else None


def flag(name: str, clause: Clause, *, required: bool) -> bool | None:
    """Whether a clause says yes or no to a parameter, or None where it says nothing."""
    words = [concept(word) for word in name_words(name) if word not in _EMPTY_FLAGS]
    said = [token.concept for token in clause.tokens]
    if words and set(words).issubset(said):
        ahead = {token.word for token in clause.tokens[: said.index(words[0])][-3:]}
        return not (ahead & (NEGATIONS | OFF))
    if required and clause.words & (ON | OFF):
        return not clause.words & OFF
    return None
