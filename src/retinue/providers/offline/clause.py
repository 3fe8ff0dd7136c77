"""A clause of a prompt: what it asks for, in its own words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from retinue.providers.offline.mention import Mention, mentions
from retinue.providers.offline.text import Token, concept, singular, stem, tokens
from retinue.providers.offline.words import (
    ALL,
    DETERMINERS,
    GREETINGS,
    IMPLIED,
    LEADING,
    NEGATIONS,
    NOUN_LIKE,
    ORDINALS,
    PLAIN,
    PRONOUNS,
    QUESTIONS,
    READ_VERBS,
    STOP,
    SUPERLATIVES,
    VAGUE,
    WISHES,
    WRITE_VERBS,
)

_VERBS = {stem(word): verb for verb, group in (READ_VERBS | WRITE_VERBS).items() for word in group}
_NAMELESS = STOP | VAGUE | PLAIN | GREETINGS | SUPERLATIVES.keys() | ORDINALS.keys()
"""Words that nothing is called by."""
_NOUN_LIKE = frozenset(map(stem, NOUN_LIKE))
_IMPLIED = {concept(word): concept(implied) for word, implied in IMPLIED.items()}


def is_noun_like(word: str) -> bool:
    """Whether a verb is as often a noun."""
    return stem(word) in _NOUN_LIKE


def verb_of(word: str) -> str:
    """The group of verbs a word belongs to, or an empty string."""
    return _VERBS.get(stem(word), "")


@dataclass(frozen=True)
class Clause:
    """One request or question: `text` is its part of the prompt, `before` the clause ahead of it.

    `spoken` is the same text with quotations blanked out: what they contain commands nothing.
    """

    text: str
    spoken: str
    at: datetime
    material: str = ""
    before: Clause | None = None

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        return tokens(self.spoken)

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        return mentions(self.text, self.at)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(token.word for token in self.tokens)

    @cached_property
    def concepts(self) -> frozenset[str]:
        """What it speaks of, in words or by what they imply: renaming something speaks of its name."""
        found = {token.concept for token in self.tokens if token.word not in STOP}
        return frozenset(found | {_IMPLIED[t.concept] for t in self.tokens if t.concept in _IMPLIED})

    @cached_property
    def verbs(self) -> frozenset[str]:
        """The groups of the verbs in it, wherever they stand."""
        return frozenset(verb for token in self.tokens if (verb := verb_of(token.word)))

    @cached_property
    def command(self) -> Token | None:
        """The verb with which it tells to change something, if it does."""
        for index, token in enumerate(self.tokens):
            if verb_of(token.word) in WRITE_VERBS and self._commands(index):
                return token
        return None

    def _commands(self, index: int) -> bool:
        token, ahead = self.tokens[index], [t.word for t in self.tokens[:index]]
        if NEGATIONS.intersection(ahead[-3:]) or ("how" in ahead) or ("should" in ahead and "i" in ahead):
            return False
        if ahead[-1:] == ["be"]:
            return not self.text.rstrip().endswith("?")
        if token.word.endswith("ing") or (is_noun_like(token.word) and not self._acts_on_something(index)):
            return False
        wished = "i" not in ahead or bool(WISHES.intersection(ahead))
        return (wished and LEADING.issuperset(ahead)) or self._opens(token)

    def _acts_on_something(self, index: int) -> bool:
        following = self.tokens[index + 1 : index + 2]
        return bool(following) and (following[0].word in DETERMINERS or following[0].word not in STOP)

    def _opens(self, token: Token) -> bool:
        return self.spoken[: token.start].rstrip()[-1:] in (",", ":", ")")

    @cached_property
    def idle(self) -> bool:
        """Whether it only says how, or not, to change something."""
        acting = any(verb_of(t.word) in WRITE_VERBS and not is_noun_like(t.word) for t in self.tokens)
        how = "how" in self.words and bool({"to", "i", "we"} & self.words)
        told = how or bool(NEGATIONS & self.words) or {"should", "i"} <= self.words
        return acting and told and self.command is None

    @cached_property
    def adds(self) -> bool:
        """Whether it tells to add a number to something, which is to raise it."""
        command = self.command
        if command is None or command.word != "add" or "to" not in self.words:
            return False
        return any(m.kind == "number" and 0 < m.start - command.end < 3 for m in self.mentions)

    @cached_property
    def specific(self) -> bool:
        """Whether it names one thing: in capitals, in quotes, or by an id."""
        capital = any(t.text != t.word and t.word not in STOP and verb_of(t.word) == "" for t in self.tokens[1:])
        return capital or any(m.kind in ("quote", "uuid", "hash", "slug", "code") for m in self.mentions)

    @cached_property
    def asks(self) -> bool:
        """Whether it is a question."""
        first = next((t.word for t in self.tokens if t.word not in GREETINGS), "")
        return first in QUESTIONS or self.text.rstrip().endswith("?")

    @cached_property
    def pronouns(self) -> bool:
        """Whether it may refer to what was spoken of before."""
        return bool(PRONOUNS & self.words)

    @cached_property
    def plural(self) -> bool:
        """Whether it means all that fits: "all lamps", but not "that is all"."""
        return "everything" in self.words or any(
            token.word in ALL and (after.word in DETERMINERS | {"of"} or after.word not in STOP)
            for token, after in pairwise(self.tokens)
        )

    @cached_property
    def superlative(self) -> tuple[str, bool] | None:
        """The field by which it picks one of several, and whether the greatest is meant."""
        found = next((SUPERLATIVES[t.word] for t in self.tokens if t.word in SUPERLATIVES), None)
        return (found[0], False) if found and "least" in self.words else found

    @cached_property
    def value(self) -> str:
        """What stands after the last "to" or "as" of a command."""
        if self.command is None:
            return ""
        ends = [t.end for t in self.tokens if t.word in ("to", "as") and t.start > self.command.end]
        return self.text[ends[-1] :].strip(" .!?\"'“”„«»`") if ends else ""

    def subject(self, exclude: frozenset[str]) -> list[str]:
        """The words that say what it is about, at most six, without the concepts to exclude.

        Words in lower case come in the singular, which finds both forms where a search goes by substrings.
        """
        found = [t for t in self._subject_tokens() if t.concept not in exclude]
        return [t.text if t.text != t.word else singular(t.word) for t in found[:6]]

    def _subject_tokens(self) -> Iterator[Token]:
        end = self._subject_end()
        spans = [(m.start, m.end) for m in self.mentions if m.kind not in ("quote", "slug")]
        for index, token in enumerate(self.tokens):
            if token.start >= end or any(start <= token.start < stop for start, stop in spans):
                continue
            if token.word in _NAMELESS:
                continue
            if not (verb_of(token.word) and (index == 0 or token.text == token.word)):
                yield token

    def _subject_end(self) -> int:
        """Where a command's new value begins, which is no part of what it is about."""
        if self.command is None or verb_of(self.command.word) != "change":
            return len(self.text)
        ends = [t.start for t in self.tokens if t.word in ("to", "as", "by") and t.start > self.command.end]
        return ends[-1] if ends else len(self.text)
