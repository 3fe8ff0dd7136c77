"""Text taken apart: tokens, stems, concepts, sentences."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from retinue.providers.offline.words import STOP, SYNONYMS

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+(?=[\"'“‘(]?[A-ZÄÖÜ0-9])|\n")
_VOWEL = re.compile(r"[aeiouyäöü]")


@dataclass(frozen=True, slots=True)
class Token:
    """A word with its place in the text; `word` is lower case, `concept` the same for words that mean the same."""

    text: str
    word: str
    concept: str
    start: int
    end: int


def tokens(text: str) -> tuple[Token, ...]:
    """The words and numbers of a text, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        word = match[0].lower().replace("’", "'")
        found.append(Token(match[0], word, concept(word), match.start(), match.end()))
    return tuple(found)


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The part that the forms of a word share: `prices`, `pricing` and `price` are `pric`."""
    word = word.lower().removesuffix("'s")
    word = singular(word)
    for suffix in ("ation", "ing", "ed", "ly"):
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) >= 3 and _VOWEL.search(rest):
            word = rest[:-1] if suffix in ("ing", "ed") and rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    return word[:-1] if len(word) > 3 and word[-1] == "e" else word


@lru_cache(maxsize=8192)
def singular(word: str) -> str:
    """An English noun's singular, by its ending; other words come back as they are."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses", "zzes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


_CONCEPTS = {stem(word): min(stem(w) for w in group) for group in SYNONYMS for word in group}


@lru_cache(maxsize=8192)
def concept(word: str) -> str:
    """What a word stands for: its stem, or that of the group of synonyms it belongs to."""
    found = stem(word)
    return _CONCEPTS.get(found, found)


@lru_cache(maxsize=4096)
def name_words(name: str) -> tuple[str, ...]:
    """The words in an identifier: `set_price`, `setPrice` and `set-price` are `set` and `price`."""
    return tuple(word.lower() for word in _TOKEN.findall(_CAMEL.sub(" ", name)))


@lru_cache(maxsize=4096)
def name_concepts(name: str) -> tuple[str, ...]:
    """The concepts of an identifier's words."""
    return tuple(concept(word) for word in name_words(name))


def sentences(text: str) -> list[str]:
    """A text's sentences and lines, trimmed, none empty."""
    return [part.strip() for part in _SENTENCE.split(text) if part and part.strip()]


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters of a text on one line, cut between words and marked with an ellipsis."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: max(limit - 1, 0)]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(",;:.- ") + "…"


def plain(text: str) -> str:
    """A text in lower-case ASCII, with hyphens between its words."""
    folded = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return "-".join(_TOKEN.findall(folded))


def significant(text: str) -> list[Token]:
    """The words of a text that mean something."""
    return [token for token in tokens(text) if token.word not in STOP and not token.word.isdigit()]
