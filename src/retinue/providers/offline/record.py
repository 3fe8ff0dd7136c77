"""The things that tools returned: which they are, how they are called, which of them a clause means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from retinue.providers.offline.clause import Clause
from retinue.providers.offline.conversation import Result
from retinue.providers.offline.mention import number
from retinue.providers.offline.text import concept, name_concepts, name_words, significant, singular
from retinue.providers.offline.tool import Tool, id_noun, is_id
from retinue.providers.offline.wording import quotes
from retinue.providers.offline.words import ORDINALS, word_set

_NAMES = (
    "name",
    "title",
    "label",
    "subject",
    "headline",
    "username",
    "email",
    "number",
    "reference",
    "slug",
    "sku",
    "code",
)
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_LINE = re.compile(
    rf"^\s*(?:[-*•]\s*)?(?P<lead>\d+|{_UUID})\s*[:.)–-]\s+(?P<rest>\S.*)$"
    rf"|(?:\#|\b(?:id|pk)\b[\s:=#]*)(?P<id>{_UUID}|\d+)|(?P<uuid>{_UUID})",
    re.IGNORECASE | re.MULTILINE,
)
_OWN = word_set("id ids pk uuid")
_TIMES = word_set("created date added updated published ordered time timestamp")
_NUMERIC = re.compile(r"\s*[€$£]?\s*-?\d[\d.,']*\s*[€$£%]?\s*")
MOST = 10
"""How many things one clause may act on at once."""


@dataclass(frozen=True)
class Record:
    """One thing that a tool returned; `nouns` is what the tool is about, `given` whether it was told which by an id."""

    values: dict[str, Any]
    nouns: frozenset[str]
    given: bool = False

    @cached_property
    def name(self) -> str:
        """How people call it."""
        found = next((self.values[key] for key in _NAMES if isinstance(self.values.get(key), str)), None)
        found = found or next((v for v in self.values.values() if isinstance(v, str) and len(v) < 120), "")
        return str(found)

    @property
    def named(self) -> bool:
        """Whether it has a name, and not only some text."""
        return any(isinstance(self.values.get(key), str) for key in _NAMES)

    @cached_property
    def name_concepts(self) -> frozenset[str]:
        return frozenset(token.concept for token in significant(self.name))

    @cached_property
    def concepts(self) -> frozenset[str]:
        """The words in all of it."""
        texts = " ".join(str(value) for value in self.values.values() if isinstance(value, str))[:2000]
        return frozenset(token.concept for token in significant(texts))

    def identify(self, parameter: str, noun: str = "") -> Any:
        """Its value for a parameter that identifies a thing of some kind, or None."""
        noun = id_noun(parameter) or noun
        foreign = bool(noun and self.nouns) and noun not in self.nouns
        said = self.values.get(parameter)
        if said is not None and not isinstance(said, dict | list) and (id_noun(parameter) or not foreign):
            return said
        for key, value in self.values.items():
            if is_id(key) and id_noun(key) == noun and noun and not isinstance(value, dict | list):
                return value
            if noun and isinstance(value, dict) and concept(key) == noun:
                return Record(value, frozenset({noun})).identify(parameter)
        if foreign or not _OWN.intersection(name_words(parameter)[-1:]):
            return None
        return next((self.values[key] for key in ("id", "pk", "uuid") if key in self.values), None)

    def number(self, *fields: str) -> int | float | None:
        """The number under the first of some names."""
        key = self.key(*fields)
        return None if key is None else number(str(self.values[key]))

    def key(self, *fields: str) -> str | None:
        """The name of the value that `number` gives."""
        numeric = [key for key, value in self.values.items() if not is_id(key) and _NUMERIC.fullmatch(str(value))]
        return next((key for field in fields for key in numeric if concept(field) in name_concepts(key)), None)


def records(results: Sequence[Result], tools: Sequence[Tool]) -> list[Record]:
    """All things in what tools returned successfully."""
    known = {tool.name: tool for tool in tools}
    found: list[Record] = []
    for result in results:
        tool = known.get(result.tool)
        if result.outcome == "success" and not result.empty:
            within = _within(result.content, tool.nouns if tool else frozenset())
            given = tool is not None and any(name in result.arguments for name in tool.id_names)
            found += [replace(record, given=given) for record in within]
    return found


def _within(content: Any, nouns: frozenset[str]) -> Iterator[Record]:
    if isinstance(content, list):
        for item in content:
            yield from _within(item, nouns)
    elif isinstance(content, str):
        yield from _lines(content, nouns)
    elif isinstance(content, dict):
        lists = {key: value for key, value in content.items() if isinstance(value, list) and value}
        if any(is_id(key) or key in _NAMES for key in content) or not lists:
            yield Record(content, nouns)
        for key, value in lists.items():
            if any(isinstance(item, dict) for item in value):
                yield from _within(value, frozenset({concept(singular(key))}) if _specific(key) else nouns)


def _specific(key: str) -> bool:
    return key not in ("results", "items", "data", "rows", "objects", "matches", "records", "hits", "entries")


def _lines(text: str, nouns: frozenset[str]) -> Iterator[Record]:
    """Things in lines like `#17 Oslo lamp`, `17: Oslo lamp` or `Oslo lamp (id 17)`."""
    for line in text[:20_000].splitlines():
        match = _LINE.search(line)
        if match:
            rest = match["rest"] or f"{line[: match.start()]} {line[match.end() :]}"
            identity = match["lead"] or match["id"] or match["uuid"]
            yield Record({"id": number(identity) if identity.isdigit() else identity, "name": _label(rest)}, nouns)


def _label(text: str) -> str:
    return re.split(r"\s[–—|-]\s|[(:;,]\s", text.strip(" ()[]-–—*•:;,."))[0].strip(" ()[]-–—*•:;,.")


def matching(clause: Clause, found: Sequence[Record], exclude: frozenset[str]) -> list[Record]:
    """The records that a clause means; more than one if it means them all, or if it is unclear which.

    `exclude` are the concepts that do not name a thing, like those of the tools' parameters.
    """
    if literal := _literal(clause, found):
        return literal
    wanted = [concept(word) for word in _naming(clause, exclude)]
    candidates = _best(wanted, list(found))
    if clause.plural:
        return candidates
    if clause.superlative and len(candidates) > 1:
        return extreme(candidates, *clause.superlative)
    ordinal = next((ORDINALS[t.word] for t in clause.tokens if t.word in ORDINALS), None)
    if ordinal is not None and len(candidates) > 1:
        return candidates[ordinal:][:1]
    return _exact(candidates, wanted)


def _literal(clause: Clause, found: Sequence[Record]) -> list[Record]:
    """Those that have a number or quotation of the clause for a value."""
    said = {m.text.lower() for m in clause.mentions if m.kind in ("code", "uuid", "email")}
    said.update(text.lower() for text in quotes(clause, introduced=False))
    return [r for r in found if said & {v.lower() for v in r.values.values() if isinstance(v, str)}] if said else []


def _naming(clause: Clause, exclude: frozenset[str]) -> list[str]:
    quoted = [token.text for text in quotes(clause, introduced=False) for token in significant(text)]
    words = quoted or clause.subject(exclude)
    if not words and clause.before is not None and (clause.pronouns or not clause.subject(frozenset())):
        return _naming(clause.before, exclude)
    return words


def _best(wanted: list[str], found: list[Record]) -> list[Record]:
    """Those that have most of the wanted words in their names, or else anywhere; all where none has any."""
    for said in ([record.name_concepts for record in found], [record.concepts for record in found]):
        scores = [len(concepts.intersection(wanted)) for concepts in said]
        if scores and max(scores) > 0:
            return [record for record, score in zip(found, scores, strict=True) if score == max(scores)]
    return found


def _exact(candidates: list[Record], wanted: list[str]) -> list[Record]:
    """Of equal matches the one whose name was said in full, as the others are called something more."""
    full = [record for record in candidates if record.name_concepts and record.name_concepts.issubset(wanted)]
    return full if len(full) == 1 else candidates


def extreme(candidates: list[Record], field: str, greatest: bool) -> list[Record]:
    """The record with the least or greatest value of a field; all where none has one."""
    ranked = [(value, record) for record in candidates if (value := _sortable(record, field)) is not None]
    if not ranked:
        return candidates
    best = (max if greatest else min)(value for value, _ in ranked)
    return [record for value, record in ranked if value == best][:1]


def _sortable(record: Record, field: str) -> float | str | None:
    """A record's number for a field; a date stays the text that it is."""
    if field != "created":
        return record.number(field)
    return next((str(v) for k, v in record.values.items() if name_words(k)[0] in _TIMES and v), None)


def covers(clause: Clause, record: Record, exclude: frozenset[str]) -> bool:
    """Whether a record fits most of the words a clause names it by, so that it may be changed.

    What a tool was told by an id to return, or what says nothing of itself, is taken as it is.
    """
    if record.given or not record.concepts:
        return True
    wanted = {concept(word) for word in _naming(clause, exclude)}
    return not wanted or len(wanted & (record.concepts | record.name_concepts)) >= 0.6 * len(wanted)
