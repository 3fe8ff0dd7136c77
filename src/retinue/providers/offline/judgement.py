"""What can be said of a text by counting its words: its tone, its keywords, its gist, its language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from retinue.providers.offline.text import Token, sentences, shorten, significant, singular, stem, tokens
from retinue.providers.offline.words import (
    ENGLISH,
    GERMAN,
    GREETINGS,
    INTENSIFIERS,
    NEGATIONS,
    NEGATIVE,
    PLAIN,
    POSITIVE,
    STOP,
    URGENT,
    VAGUE,
    word_set,
)

_REACH = 3
"""How many words a "not" reaches."""
_ARTICLES = word_set("the a an my your our their his her its this that these der die das ein eine")
_NO_KEYWORDS = POSITIVE | NEGATIVE | VAGUE | GREETINGS | PLAIN
_CONTRASTS = frozenset({"but", "however", "although", "though", "yet", "aber"})
LIMIT = 20_000
"""How many characters of a text are looked at."""


@dataclass(frozen=True)
class Judgement:
    """A text, judged."""

    text: str

    @cached_property
    def hits(self) -> tuple[tuple[str, float], ...]:
        """The words that praise (above 0) or blame (below 0), each with its weight."""
        found = [hit for sentence in sentences(self.text[:LIMIT]) for hit in _hits(tokens(sentence))]
        return tuple(found)

    @cached_property
    def positive(self) -> list[str]:
        return list(dict.fromkeys(word for word, weight in self.hits if weight > 0))

    @cached_property
    def negative(self) -> list[str]:
        return list(dict.fromkeys(word for word, weight in self.hits if weight < 0))

    @property
    def tone(self) -> float:
        """From -1 (all blame) to 1 (all praise); 0 where neither prevails."""
        total = sum(abs(weight) for _, weight in self.hits)
        return sum(weight for _, weight in self.hits) / total if total else 0.0

    @property
    def label(self) -> str:
        """`positive`, `negative`, `mixed` or `neutral`."""
        if abs(self.tone) > 0.2:
            return "positive" if self.tone > 0 else "negative"
        return "mixed" if self.hits else "neutral"

    @property
    def confidence(self) -> float:
        """From 0.5 (no word tells) towards 0.95, by how many words tell and how far they agree."""
        count = len(self.hits)
        return round(0.5 + 0.45 * abs(self.tone) * count / (count + 1.5), 2)

    @property
    def explanation(self) -> str:
        """On which words the tone rests."""
        if not self.hits:
            return "No word of praise or blame was found."
        praise, blame = ", ".join(self.positive[:5]) or "none", ", ".join(self.negative[:5]) or "none"
        return f"Judged by a list of words. Praise: {praise}. Blame: {blame}."

    @cached_property
    def keywords(self) -> list[str]:
        """Its words by how often they come, then by where; without those that only praise, blame or greet.

        A word that "the" or "my" introduces is likely to be a thing, and counts half as much again.
        """
        found = significant(self.text[:LIMIT])
        telling = [t for t in found if len(t.word) > 2 and not t.word.isdigit()]
        plain = [t for t in telling if t.word not in _NO_KEYWORDS and not t.word.endswith("ly")]
        spare = [t for t in telling if t.word not in VAGUE | PLAIN]
        return self._frequent(plain) or self._frequent(spare) or self._frequent(telling)

    def _frequent(self, found: list[Token]) -> list[str]:
        introduced = _introduced(tokens(self.text[:LIMIT]))
        weights: dict[str, float] = {}
        names: dict[str, str] = {}
        for token in found:
            key = stem(token.word)
            weights[key] = weights.get(key, 0) + (1.5 if token.start in introduced else 1)
            if key not in names or (token.text != token.word and not self._opens(token)):
                names[key] = token.word if self._opens(token) else token.text
        return [names[key] for key in sorted(names, key=lambda key: -weights[key])]

    def _opens(self, token: Token) -> bool:
        """Whether a word begins a sentence, so that its capital means nothing."""
        ahead = self.text[max(token.start - 8, 0) : token.start]
        return not ahead.strip(" \t\"'“‘(") or ahead.rstrip(" \t\"'“‘(")[-1] in ".!?…\n:"

    def summary(self, count: int = 2) -> str:
        """Its first sentence and those with most of its keywords, in their order."""
        found = sentences(self.text[:LIMIT])
        if len(found) <= count:
            return " ".join(found)
        frequent = frozenset(stem(word) for word in self.keywords[:8])
        counts = Counter(key for token in tokens(self.text[:LIMIT]) if (key := stem(token.word)) in frequent)
        ranked = sorted(range(1, len(found)), key=lambda i: (-_density(found[i], counts), i))
        return " ".join(found[i] for i in sorted([0, *ranked[: count - 1]]))

    @property
    def title(self) -> str:
        """Its first sentence, shortened."""
        return shorten(next(iter(sentences(self.text)), ""), 60).rstrip(".")

    @property
    def language(self) -> str:
        """`de` or `en`."""
        words = Counter(token.word for token in tokens(self.text[:2000]))
        german, english = (sum(words[word] for word in known) for known in (GERMAN, ENGLISH))
        return "de" if german > english else "en"

    @property
    def urgent(self) -> bool:
        """Whether it presses."""
        return bool(URGENT & {token.word for token in tokens(self.text[:LIMIT])})

    def sentences_of(self, tone: int) -> list[str]:
        """Its sentences that praise (1) or blame (-1)."""
        return [s for s in sentences(self.text[:LIMIT]) if tone * sum(w for _, w in _hits(tokens(s))) > 0]


def _hits(words: tuple[Token, ...]) -> Iterator[tuple[str, float]]:
    negated, weight = 0, 1.0
    for token in words:
        if token.word in _CONTRASTS:
            negated = 0
        elif token.word in NEGATIONS:
            negated = _REACH + 1
        forms = {token.word, singular(token.word)}
        value = 1 if forms & POSITIVE else -1 if forms & NEGATIVE else 0
        if value:
            yield (f"not {token.word}", -value * weight) if negated else (token.word, value * weight)
        weight = 1.5 if token.word in INTENSIFIERS else 1.0
        negated = max(negated - 1, 0)


def _introduced(words: tuple[Token, ...]) -> frozenset[int]:
    """Where the words stand that an article or the like introduces, with one word in between at most."""
    found = (
        token.start
        for i, token in enumerate(words)
        if any(t.word in _ARTICLES for t in words[max(i - 2, 0) : i]) and token.word not in STOP
    )
    return frozenset(found)


def _density(sentence: str, counts: Counter[str]) -> float:
    words = tokens(sentence)
    return sum(counts[stem(token.word)] for token in words) / (len(words) + 3)
