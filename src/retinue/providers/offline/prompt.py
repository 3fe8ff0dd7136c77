"""A prompt taken apart: the request in clauses, and the text that it brings along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from retinue.providers.offline.clause import Clause, is_noun_like, verb_of
from retinue.providers.offline.text import Token, tokens
from retinue.providers.offline.words import DETERMINERS, WRITE_VERBS

_QUOTED = re.compile(r"\"[^\"\n]+\"|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»|`[^`\n]+`|(?<!\w)['‘](?!\s)[^'’\n]+['’](?!\w)")
_BREAK = re.compile(r"(?<![.!?])[.!?]+\s+(?=[A-ZÄÖÜ])|[\n;]\s*")
_COLON = re.compile(r":\s+(?=\S)|\n[ \t]*\n\s*(?=\S)")
_LONGEST = 2500
"""How many characters of a prompt are read for what it asks; a longer one is material, too."""
_MOST = 12
"""How many clauses are read."""


def clauses(prompt: str, at: datetime) -> list[Clause]:
    """The clauses of a prompt's request, without the material that it brings along."""
    request, material = split_material(prompt)
    spoken = _QUOTED.sub(lambda match: match[0][0] + " " * (len(match[0]) - 2) + match[0][-1], request)
    found: list[Clause] = []
    for start, end in _spans(spoken):
        if spoken[start:end].strip():
            before = found[-1] if found else None
            found.append(Clause(request[start:end], spoken[start:end], at, material, before))
        if len(found) == _MOST:
            break
    return found


def split_material(prompt: str) -> tuple[str, str]:
    """The request, and the text that it brings along: what follows its colon or a blank line (or nothing)."""
    prompt = prompt.strip()
    for match in islice(_COLON.finditer(prompt[:_LONGEST]), 20):
        head, tail = prompt[: match.start()], prompt[match.end() : match.end() + _LONGEST]
        verbs = {verb for token in tokens(_QUOTED.sub("", head)) if (verb := verb_of(token.word))}
        if not verbs or ("\n" not in match[0] and verbs & _ACTING and len(tail.split()) < 40):
            continue
        if len(tail.split()) > 2 or _QUOTED.fullmatch(tail.strip()):
            return head, prompt[match.end() :].strip()
    return prompt[:_LONGEST], prompt if len(prompt) > _LONGEST else ""


_ACTING = frozenset(WRITE_VERBS) - {"send"}
"""Verbs whose arguments may follow a colon: "create a product: …"."""


def _spans(spoken: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _BREAK.finditer(spoken):
        yield from _conjoined(spoken, start, match.end())
        start = match.end()
    yield from _conjoined(spoken, start, len(spoken))


def _conjoined(spoken: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts a sentence ahead of each "and", "then" or "but" that a verb follows."""
    words = tokens(spoken[start:end])
    cut, acted = 0, False
    for index, token in enumerate(words):
        if not verb_of(token.word):
            continue
        joined = index > 0 and words[index - 1].word in ("and", "then", "also", "but")
        if joined and acted and _acts(words, index):
            yield start + cut, start + words[index - 1].start
            cut = token.start
        acted = True
    yield start + cut, end


def _acts(words: tuple[Token, ...], index: int) -> bool:
    if not is_noun_like(words[index].word):
        return True
    return index + 1 < len(words) and words[index + 1].word in DETERMINERS
