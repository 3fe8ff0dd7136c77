"""Which number of a clause is meant by which parameter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from retinue.providers.offline.clause import Clause
from retinue.providers.offline.mention import Mention
from retinue.providers.offline.schema import Schema, allows_number
from retinue.providers.offline.text import concept, name_words
from retinue.providers.offline.words import AT_LEAST, AT_MOST, DOWN, UP, word_set

_PRICES = frozenset(map(concept, word_set("price cost amount budget fee total salary pay euro dollar money")))
_COUNTS = word_set("quantity count limit number stock amount n top max qty size inventory pieces days")
_PERCENTS = word_set("percent percentage discount rate share ratio")
_BOUNDS = word_set("min max minimum maximum least most from under over below above")
_LIMITS = frozenset({"limit", "top", "n", "max", "size"})
_FIRST = frozenset({"top", "first", "last", "latest", "newest"})
_CONJUNCTIONS = frozenset({"and", "or", "to", "of", "the"})
_MEASURED = frozenset(map(concept, word_set("price stock rating quantity weight age size year")))
LABELLED = 2.0
"""From this score on a number is meant for a parameter; below, it merely may be."""


def limits(clause: Clause) -> list[tuple[str, str, float]]:
    """The bounds a clause sets for what it asks for: a field, "max" or "min", and the number."""
    found = []
    for mention in numbers(clause):
        side = comparison(clause, mention)
        if side and mention.kind != "percent":
            label = [t.concept for t in clause.tokens if t.end <= mention.start and t.concept in _MEASURED][-1:]
            found.append((label[0] if label else "price", side, float(mention.value)))
    return found


def numbers(clause: Clause) -> list[Mention]:
    """The numbers in a clause that count or measure something."""
    return [m for m in clause.mentions if m.kind in ("number", "money", "percent")]


def score(name: str, schema: Schema, mention: Mention, clause: Clause, things: frozenset[str]) -> float:
    """How likely a parameter means a number; 0: not at all. `things` are the concepts that ids identify."""
    words = frozenset(name_words(name))
    if not allows_number(schema, mention.value) or _identifies(mention, clause, things):
        return 0
    bound = _bound(words, comparison(clause, mention))
    if bound is None:
        return 0
    kind = _kind(words, mention)
    return (
        0 if kind is None else max(1 + bound + kind + _label(words, mention, clause) + _preposition(mention, clause), 0)
    )


def comparison(clause: Clause, mention: Mention) -> str:
    """ "max" or "min" where the number is called a limit, or an empty string."""
    ahead = clause.spoken[: mention.start].lower().rstrip(" €$£:")
    if ahead.endswith(AT_MOST):
        return "max"
    return "min" if ahead.endswith(AT_LEAST) else ""


def _bound(words: frozenset[str], compared: str) -> float | None:
    """What a limit adds for a parameter that is one, or None where only one of them is."""
    limits = words & _BOUNDS
    if not limits or words <= _BOUNDS:
        return 0 if not compared or limits else None
    side = "max" if limits & {"max", "maximum", "most", "under", "below"} else "min"
    if not compared:
        return None
    return 3 if compared == side else None


def _kind(words: frozenset[str], mention: Mention) -> float | None:
    """What the kind of number adds, or None where it cannot be meant."""
    concepts = {concept(word) for word in words}
    if mention.kind == "percent":
        return 3 if words & _PERCENTS else None
    if mention.kind == "money":
        return 2 if concepts & _PRICES else None
    return 0.5 if (words & _COUNTS and isinstance(mention.value, int)) or concepts & _PRICES else 0


def _label(words: frozenset[str], mention: Mention, clause: Clause) -> float:
    """What a word that says so adds: the nearer to the number, the more."""
    concepts = {concept(word) for word in words - _BOUNDS}
    concepts |= _FIRST if words & _LIMITS else frozenset()
    ahead = [token for token in clause.tokens if token.end <= mention.start]
    after = [token for token in clause.tokens if token.start >= mention.end][:1]
    if after and after[0].word not in _CONJUNCTIONS and after[0].concept in concepts:
        return 3.5
    for distance, token in enumerate(reversed(ahead)):
        if token.concept in concepts:
            return max(3.5 - 0.3 * distance, 1.5)
    return 0


def _preposition(mention: Mention, clause: Clause) -> float:
    ahead = [token.word for token in clause.tokens if token.end <= mention.start][-1:]
    if ahead in (["to"], ["at"], ["is"], ["for"], ["costs"]):
        return 1
    return -1 if ahead == ["from"] and clause.command is not None else 0


def _identifies(mention: Mention, clause: Clause, things: frozenset[str]) -> bool:
    """Whether the number is the name of a thing, like that in "product 17"."""
    return mention.kind == "number" and before(mention, clause) in things


def before(mention: Mention, clause: Clause) -> str:
    """The concept of the word directly ahead of a mention; of the first one's in a list of mentions."""
    gap = clause.spoken[: mention.start].rstrip()
    while gap.endswith((",", " and", "&", " or")):
        earlier = [m for m in clause.mentions if m.end <= len(gap)]
        joint = clause.spoken[earlier[-1].end : mention.start].strip(" ,&") if earlier else "-"
        if joint not in ("", "and", "or"):
            return ""
        mention = earlier[-1]
        gap = clause.spoken[: mention.start].rstrip()
    ahead = [token for token in clause.tokens if token.end <= mention.start]
    near = bool(ahead) and not clause.spoken[ahead[-1].end : mention.start].strip(" #:")
    return ahead[-1].concept if near else ""


def assign(
    wanted: dict[str, Schema], required: frozenset[str], clause: Clause, things: frozenset[str]
) -> dict[str, Any]:
    """A number for each parameter that one is found for; each number is used once."""
    order = list(wanted)
    pairs = [
        (points, -order.index(name), -place, name, mention)
        for place, mention in enumerate(numbers(clause))
        for name, schema in wanted.items()
        if (points := score(name, schema, mention, clause, things)) >= (0.5 if name in required else LABELLED)
    ]
    found: dict[str, Any] = {}
    used: set[Mention] = set()
    for _, _, _, name, mention in sorted(pairs, key=lambda pair: pair[:3], reverse=True):
        if name not in found and mention not in used:
            found[name] = mention.value
            used.add(mention)
    return found


def relative(clause: Clause) -> tuple[Decimal, bool] | None:
    """By how much a clause raises or (negative) lowers something, and whether that is in percent."""
    if clause.adds:
        return Decimal(str(numbers(clause)[0].value)), False
    direction = 1 if clause.words & UP else -1 if clause.words & DOWN else 0
    for mention in numbers(clause):
        ahead = [token.word for token in clause.tokens if token.end <= mention.start][-1:]
        if direction and (ahead == ["by"] or (mention.kind == "percent" and ahead != ["to"])):
            return direction * Decimal(str(mention.value)), mention.kind == "percent"
    return None


def changed(schema: Schema, old: float, change: tuple[Decimal, bool]) -> int | float | None:
    """A number after a relative change, whole or rounded to two places."""
    amount, percent = change
    base = Decimal(str(old))
    new = base * (1 + amount / 100) if percent else base + amount
    if schema.get("type") == "integer":
        value: int | float = round(new)
    else:
        value = float(new.quantize(Decimal("0.01")))
    return value if allows_number(schema, value) else None
