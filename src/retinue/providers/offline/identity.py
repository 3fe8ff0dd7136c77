"""Which things a clause names by their ids."""

from __future__ import annotations

from typing import Any

from retinue.providers.offline.clause import Clause
from retinue.providers.offline.mention import Mention
from retinue.providers.offline.numeral import before
from retinue.providers.offline.schema import Schema
from retinue.providers.offline.tool import ID_WORDS
from retinue.providers.offline.words import STOP


def identity(schema: Schema, clause: Clause, nouns: frozenset[str], *, lone: bool) -> list[Any]:
    """The ids that a clause mentions for a thing of these kinds; `lone`: a bare number may be one, too."""
    numeric = schema.get("type") == "integer"
    found = []
    for mention in clause.mentions:
        label = before(mention, clause)
        if mention.kind == "uuid" or (mention.kind == "hash" and (label in nouns or not label or lone)):
            found.append(mention.value)
        elif (mention.kind == "slug" and _is_slug(mention.text, schema)) or (mention.kind == "code" and not numeric):
            found.append(mention.text)
        elif mention.kind == "number" and isinstance(mention.value, int):
            if label in nouns or label in ID_WORDS or (lone and _stands_alone(mention, label, clause)):
                found.append(mention.value)
        elif mention.kind == "quote" and not numeric and label in nouns:
            found.append(mention.value)
    typed = [_typed(value, schema) for value in found]
    return [value for value in typed if value is not None]


def _stands_alone(mention: Mention, label: str, clause: Clause) -> bool:
    """Whether a number may name a thing: it counts nothing, and nothing is set to it."""
    after = next((token for token in clause.tokens if token.start >= mention.end), None)
    counts = after is not None and after.word not in STOP and clause.spoken[mention.end : after.start].isspace()
    return not counts and label in ("", "of", "for", "on", "about")


def _is_slug(text: str, schema: Schema) -> bool:
    """Whether words with hyphens are a name for machines: where one is asked for, or when there are many."""
    told = "slug" in str(schema.get("description", "")).lower()
    return schema.get("type") == "string" and "format" not in schema and text.count("-") >= (1 if told else 2)


def _typed(value: Any, schema: Schema) -> Any:
    """An id as its schema wants it, or None where it cannot be one."""
    kind, text = schema.get("type"), str(value)
    if kind in ("integer", "number"):
        return int(text) if text.isdigit() else None
    if schema.get("format") == "uuid":
        return text if len(text) == 36 else None
    return text if kind == "string" else value


def typed(value: Any, schema: Schema) -> Any:
    """An id that a tool returned as another's schema wants it, or None."""
    return None if value is None or isinstance(value, dict | list | bool) else _typed(value, schema)
