"""Which words of a clause are meant by which text parameter."""

from __future__ import annotations

import re

from retinue.providers.offline.clause import Clause
from retinue.providers.offline.text import concept, name_words, sentences, shorten
from retinue.providers.offline.tool import SEARCH_WORDS
from retinue.providers.offline.words import DETERMINERS, STOP, word_set

BODIES = word_set(
    """text message body content prompt question input note comment reason description instruction instructions
    request task details summary answer reply"""
)
RECIPIENTS = word_set("to recipient recipients cc bcc sender from address")
NAMES = frozenset({"name", "title", "subject", "label", "headline"})
_INTRODUCED = re.compile(r"\b(to|as|called|named|titled|saying|says|with|reading|labelled)\s*[:,]?\s*$", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:called|named|titled|by the name of)\s+(?P<name>[^,.;!?]+)", re.IGNORECASE)
_SAID = re.compile(r"\b(?:saying|says|reading|that|because)\s+(?P<text>.+?)[.!?]?\s*$", re.IGNORECASE | re.DOTALL)
_PLACE = re.compile(r"\b(?:in|for|of|from|at|near|to|by|with|about)\s+(?P<name>[A-ZÄÖÜ][\w-]*(?:\s[A-ZÄÖÜ][\w-]*)*)")
_ASKING = word_set("ask analyse summarise translate calculate compare check count") | {""}


def quotes(clause: Clause, *, introduced: bool) -> list[str]:
    """Its quotations: those that a word like "to" or "called" introduces, or the others."""
    found: list[str] = []
    before, end = False, 0
    for mention in clause.mentions:
        if mention.kind == "quote":
            joined = end and clause.text[end : mention.start].strip(" ,") in ("", "and", "or")
            before = before if joined else bool(_INTRODUCED.search(clause.text[: mention.start]))
            end = mention.end
            if before == introduced:
                found.append(mention.value)
    return found


def labelled(name: str, clause: Clause) -> str:
    """What a clause calls by a parameter's name, as in `category: Lighting` or "the category Lighting"."""
    label = r"[\s_-]".join(map(re.escape, name_words(name)))
    match = re.search(
        rf"(?i:\b{label})\s*(?:[:=]\s*|\bis\s+)(?P<value>[^\n,;]+)", f"{clause.text}\n{clause.material[:5000]}"
    )
    if match:
        return match["value"].strip(" .!?\"'“”„«»`")
    if len(name_words(name)) > 1:
        return ""
    match = re.search(
        rf"(?i:\b{label})\s+(?P<value>[\"“][^\"”]+[\"”]|[A-ZÄÖÜ][\w-]*(?:\s[A-ZÄÖÜ][\w-]*)*)", clause.text
    )
    return match["value"].strip('"“”') if match else ""


def query(clause: Clause, exclude: frozenset[str], things: frozenset[str], attempt: int) -> str | None:
    """What to search for; each further attempt asks for less, None when nothing is left to try."""
    tried: list[str] = []
    if clause.before is not None and clause.pronouns and not clause.subject(exclude):
        return query(clause.before, exclude, things, attempt)
    for words in _queries(clause, exclude, things):
        text = " ".join(words)
        if text and text not in tried:
            tried.append(text)
    if tried:
        return tried[attempt] if attempt < min(len(tried), 3) else None
    return "" if attempt == 0 else None


def _queries(clause: Clause, exclude: frozenset[str], things: frozenset[str]) -> list[list[str]]:
    quoted, subject = quotes(clause, introduced=False), clause.subject(exclude)
    if not quoted and not subject and clause.command is None:
        quoted = quotes(clause, introduced=True)
    words = [quoted[0]] if quoted else subject or ([] if clause.command else clause.subject(things))
    parts = words[0].split() if quoted else words
    longest = sorted(parts, key=lambda word: (word == word.lower(), -len(word)))
    return [words, *([word] for word in longest if len(word) > 2)]


def reason(clause: Clause) -> str | None:
    """What stands after "because"."""
    match = re.search(r"\bbecause\s+(?:of\s+)?(?P<why>.+?)[.!?]?\s*$", clause.text, re.IGNORECASE | re.DOTALL)
    return match["why"] if match else None


def body(clause: Clause, verb: str, prompt: str) -> str | None:
    """A text that is to be passed on: quoted, after a colon, or what is said; a question is passed on whole."""
    found = quotes(clause, introduced=True) or quotes(clause, introduced=False)
    if clause.material or found:
        return clause.material or found[0]
    if match := _SAID.search(clause.text):
        return match["text"]
    return prompt.strip() if verb in _ASKING else None


def named(clause: Clause, exclude: frozenset[str]) -> str | None:
    """A name that is given to something; a text that is passed on is called by its first sentence."""
    found = quotes(clause, introduced=True) or quotes(clause, introduced=False)
    if found:
        return found[-1]
    if match := _NAMED.search(clause.text):
        return re.split(r"\s(?:with|for|at|to|in|and)\s", match["name"])[0].strip()
    if clause.command is not None and clause.value:
        return clause.value
    if clause.material:
        return shorten(sentences(clause.material)[0], 60).rstrip(".")
    words = clause.subject(exclude)
    return " ".join(words) or None


def place(clause: Clause, exclude: frozenset[str]) -> str | None:
    """A proper name after a preposition, as in "in Paris"."""
    for match in _PLACE.finditer(clause.text):
        if concept(match["name"]) not in exclude:
            return match["name"]
    return None


def listed(name: str, clause: Clause, *, required: bool) -> list[str]:
    """The texts of a list: what follows its name, quoted or parted by commas; any quotations for a needed one."""
    words = {concept(word) for word in name_words(name)}
    token = next((t for t in clause.tokens if t.concept in words), None)
    after = token.end if token else 0
    quoted = [m.value for m in clause.mentions if m.kind == "quote" and m.start >= after and (token or required)]
    if quoted or token is None:
        return quoted
    said = re.split(r"\s(?:to|for|on|in|of|with)\s", clause.text[token.end :])[0]
    parts = re.split(r"\s*,\s*|\s+(?:and|or|&)\s+", said.strip(" :.!?"))
    return [part for part in (_trimmed(part) for part in parts) if part and len(part.split()) <= 3]


def _trimmed(part: str) -> str:
    words = part.split()
    while words and words[0].lower() in (STOP | DETERMINERS):
        words.pop(0)
    return " ".join(words)


def is_search(name: str) -> bool:
    """Whether a parameter takes words to search for."""
    return bool(SEARCH_WORDS.intersection(name_words(name)))
