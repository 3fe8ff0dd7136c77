"""What the offline model says where no tool has anything to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from retinue.providers.offline.clause import Clause
from retinue.providers.offline.conversation import Conversation
from retinue.providers.offline.judgement import Judgement
from retinue.providers.offline.material import material
from retinue.providers.offline.prompt import clauses
from retinue.providers.offline.text import concept, sentences, tokens
from retinue.providers.offline.tool import Tool
from retinue.providers.offline.words import GREETINGS, THANKS

INTRODUCTION = "I am Retinue’s offline model: I answer by rules and word lists, without a language model."
HINT = 'For real answers, name a model in your settings, for example `RETINUE = {"MODEL": "openai:gpt-5-mini"}`.'


def alone(prompt: str, at: datetime, tools: Sequence[Tool]) -> str:
    """An answer to a prompt without any results: what could be counted, and how to get more."""
    asked = clauses(prompt, at)
    clause = asked[0] if asked else Clause("", "", at)
    judged = material(Conversation(prompt=prompt, at=at), (), "").judgement
    told = [tell(judged) for words, tell in _TASKS if words & clause.concepts]
    if told:
        return "\n\n".join([*told, INTRODUCTION])
    parts = ["Hello!"] if GREETINGS & clause.words else []
    if THANKS & clause.words:
        parts = ["You are welcome!"]
    parts.append(INTRODUCTION)
    if offer := _offer(tools):
        parts.append(offer)
    elif len(judged.keywords) > 2:
        parts.append(_gleaned(judged))
    return "\n\n".join([*parts, HINT])


def _offer(tools: Sequence[Tool]) -> str:
    lines = [f"- {tool.title}: {tool.purpose}" if tool.purpose else f"- {tool.title}" for tool in tools[:12]]
    return "\n".join(["I found no tool that fits your message. I can:", *lines]) if lines else ""


def _gleaned(judged: Judgement) -> str:
    return f"{_counts(judged)} It speaks of {', '.join(judged.keywords[:5])}. Its tone is {judged.label}."


def _counts(judged: Judgement) -> str:
    words, lines = len(tokens(judged.text)), len(sentences(judged.text))
    return f"Your text has {words} words in {lines} {'sentence' if lines == 1 else 'sentences'}."


def _keywords(judged: Judgement) -> str:
    return f"Keywords: {', '.join(judged.keywords[:5])}."


def _tone(judged: Judgement) -> str:
    return f"The tone is {judged.label} (confidence {judged.confidence:.2f}). {judged.explanation}"


_TASKS: tuple[tuple[frozenset[str], Callable[[Judgement], str]], ...] = (
    (frozenset(map(concept, ("summarise", "tldr", "recap", "gist"))), lambda judged: judged.summary()),
    (frozenset(map(concept, ("sentiment", "tone", "mood", "analyse"))), _tone),
    (frozenset(map(concept, ("keyword", "topic", "tag"))), _keywords),
    (frozenset(map(concept, ("count", "words", "length"))), _counts),
)
