"""A tool as the offline model sees it: what it does, to what, and what it needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pydantic_ai.tools import ToolDefinition

from retinue.providers.offline.clause import Clause, is_noun_like, verb_of
from retinue.providers.offline.conversation import FINDER
from retinue.providers.offline.text import concept, name_words, sentences, significant, singular, stem
from retinue.providers.offline.words import DETAILS, STOP, WRITE_VERBS, word_set

ID_WORDS = word_set("id ids pk uuid sku slug key")
SEARCH_WORDS = word_set("query q search term terms keyword keywords phrase queries")
THRESHOLD = 2.5
"""How relevant a tool must be to be used for its own sake."""


@dataclass(frozen=True)
class Tool:
    """A tool's definition with its words taken apart.

    `verb` is the group of its verb or empty, `nouns` what its name says it acts on, `about` what its
    description speaks of, `writes` whether it may change something, `noun` what its results are called.
    """

    name: str
    description: str
    schema: dict[str, Any]
    verb: str
    writes: bool
    nouns: frozenset[str]
    about: frozenset[str]
    noun: str

    @classmethod
    def of(cls, definition: ToolDefinition) -> Tool:
        description = definition.description or ""
        return cls(
            definition.name, description, definition.parameters_json_schema, *_profile(definition.name, description)
        )

    @cached_property
    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self.schema.get("properties") or {}
        return found

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(self.schema.get("required") or ())

    @cached_property
    def parameters(self) -> frozenset[str]:
        """What its parameters are called."""
        words = {word for name in self.properties for word in name_words(name)}
        return frozenset(concept(word) for word in words - ID_WORDS - SEARCH_WORDS if word not in STOP)

    @cached_property
    def id_names(self) -> tuple[str, ...]:
        """Its parameters that name a thing."""
        return tuple(name for name in self.properties if is_id(name))

    @cached_property
    def query_name(self) -> str:
        """Its parameter for words to search for, or an empty string."""
        return next((name for name in self.properties if SEARCH_WORDS.intersection(name_words(name))), "")

    @cached_property
    def title(self) -> str:
        """Its name in words."""
        return " ".join(name_words(self.name))

    @cached_property
    def purpose(self) -> str:
        """The first sentence of its description."""
        return next(iter(sentences(self.description)), "").rstrip(".")

    def relevance(self, clause: Clause) -> float:
        """How well it fits what a clause speaks of; 0 where it does not."""
        nouns, parameters = self.nouns & clause.concepts, self.parameters & clause.concepts
        about = (self.about & clause.concepts) - nouns - parameters
        if not (nouns or parameters or about):
            bare = not self.nouns and clause.command is not None and stem(clause.command.word) == stem(self.name)
            return 3.0 if bare else 0.0
        score = 3.0 * len(nouns) + 1.5 * len(parameters - nouns) + min(1.2 * len(about), 3)
        score -= 0.4 * len(self.nouns - nouns)
        return score + self._verb_bonus(clause) + self._number_bonus(clause) + self._subject_bonus(clause)

    def _verb_bonus(self, clause: Clause) -> float:
        exact = any(stem(word) in {stem(t.word) for t in clause.tokens} for word in name_words(self.name)[:1])
        if self.verb in clause.verbs:
            return 3.0 + exact
        return 1.0 if clause.asks and self.verb in ("search", "list", "get", "count") else 0.0

    def _subject_bonus(self, clause: Clause) -> float:
        """One thing is asked of a tool that can be told which; and all that is said is in the description."""
        if self.writes:
            return 0.0
        telling = bool(self.query_name or self.id_names or self.required)
        subject = frozenset(concept(word) for word in clause.subject(frozenset()))
        said = bool(subject) and subject <= self.about | self.nouns | self.parameters
        return (2.0 if telling else -3.0) * clause.specific + 1.5 * said

    def _number_bonus(self, clause: Clause) -> float:
        """Several things are listed or searched, not got."""
        several = any(t.concept in self.nouns and t.word != singular(t.word) for t in clause.tokens)
        if not several or self.verb not in ("list", "search", "get"):
            return 0.0
        return -3.0 if self.verb == "get" and self.id_names else 1.0

    def fits(self, clause: Clause) -> bool:
        """Whether a clause may be about using it: nothing is changed that it does not tell to change."""
        if not self.verb:
            return bool(self.nouns) and self.nouns <= clause.concepts
        if self.writes:
            verb = "" if clause.command is None else verb_of(clause.command.word)
            return verb == self.verb or (self.verb == "change" and clause.adds)
        return True

    def fallback(self, clause: Clause) -> float:
        """How far it may serve a clause that shares no word with it, as a search by words may."""
        brief = len(clause.tokens) <= 4 and not clause.words & {"i", "we"}
        if self.writes or not (clause.asks or clause.verbs & _READING or brief):
            return 0
        if self.verb == "get" and self.id_names and clause.words & DETAILS:
            return 1.5
        return 1.0 if self.query_name else 0


_READING = word_set("search list get count check compare summarise analyse")


def is_id(name: str) -> bool:
    """Whether a parameter or key of this name holds an identifier."""
    words = name_words(name)
    return bool(words) and words[-1] in ID_WORDS


def id_noun(name: str) -> str:
    """The concept of what an identifier identifies: `product_id` is a product's; a bare `id` is nobody's."""
    words = [word for word in name_words(name) if word not in ID_WORDS]
    return concept(words[-1]) if words else ""


@lru_cache(maxsize=2048)
def _profile(name: str, description: str) -> tuple[str, bool, frozenset[str], frozenset[str], str]:
    words = name_words(name)
    spoken = verb_of(_opening(description))
    index, verb = _verb(words, spoken)
    rest = [word for i, word in enumerate(words) if i != index and word not in STOP]
    about = frozenset(token.concept for token in significant(description[:400]) if not verb_of(token.word))
    writes = verb in WRITE_VERBS or not verb
    named = rest if index >= 0 else [t.word for t in significant(description[:400]) if t.word != singular(t.word)][:1]
    return verb, writes, frozenset(map(concept, rest)), about, named[-1] if named else "result"


def _verb(words: Iterable[str], spoken: str) -> tuple[int, str]:
    """The place and group of the verb in a tool's name, or of the one that its description begins with."""
    found = [(index, word) for index, word in enumerate(words) if verb_of(word)]
    certain = next(((i, w) for i, w in found if not is_noun_like(w)), None)
    if certain:
        return certain[0], verb_of(certain[1])
    if spoken:
        return next((i for i, w in found if verb_of(w) == spoken), -1), spoken
    return (found[0][0], verb_of(found[0][1])) if found and found[0][0] == 0 else (-1, "")


def _opening(description: str) -> str:
    words = description.split(maxsplit=1)
    return words[0].strip(".,:;()").lower() if words else ""


def tools_of(definitions: Iterable[ToolDefinition]) -> list[Tool]:
    """The tools of a request, without those that only reveal other tools."""
    return [Tool.of(definition) for definition in definitions if definition.tool_kind != FINDER]
