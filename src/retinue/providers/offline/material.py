"""What an output is filled from: the text to be judged, and the things that tools returned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from retinue.providers.offline.clause import Clause, verb_of
from retinue.providers.offline.conversation import Conversation
from retinue.providers.offline.judgement import LIMIT, Judgement
from retinue.providers.offline.prompt import clauses, split_material
from retinue.providers.offline.record import Record, matching, records
from retinue.providers.offline.text import concept, tokens
from retinue.providers.offline.tool import Tool, is_id
from retinue.providers.offline.words import word_set

_LONG = 3
"""From how many words on a text says something."""


@dataclass(frozen=True)
class Material:
    """`text` is what is to be judged, `clause` what is asked about it, `record` the one thing that is meant.

    `others` are things that were found on the way. `answer` is what would be answered in words, `failed`
    whether a tool could not do its part.
    """

    text: str
    prompt: str
    clause: Clause
    at: datetime
    records: Sequence[Record] = ()
    record: Record | None = None
    others: Sequence[Record] = ()
    answer: str = ""
    failed: bool = False
    things: frozenset[str] = field(default=frozenset())

    @cached_property
    def judgement(self) -> Judgement:
        return Judgement(self.text)

    @cached_property
    def concepts(self) -> frozenset[str]:
        """What text and request speak of."""
        return frozenset(token.concept for token in tokens(self.text[:LIMIT])) | self.clause.concepts

    def about(self, record: Record) -> Material:
        """The same for one of the records."""
        text = "\n".join(_texts(record.values)) or self.text
        return replace(self, text=text, records=(), record=record, answer=text, things=record.nouns)

    def average(self, name: str) -> float | None:
        """The mean of a number over the records."""
        found = [value for record in self.records if (value := record.number(name)) is not None]
        return sum(found) / len(found) if found else None


def material(
    conversation: Conversation, tools: Sequence[Tool], answer: str, shown: frozenset[str] = frozenset()
) -> Material:
    """The material of a conversation: what was read, else what the prompt brings along, else the prompt.

    `shown` are the tools that were called for their own sake; if they returned something, that counts.
    """
    asked = clauses(conversation.prompt, conversation.at)
    clause = asked[0] if asked else Clause("", "", conversation.at)
    done = [result for result in conversation.results if result.outcome == "success"]
    aimed = [result for result in done if result.tool in shown and not result.empty] or done
    found = records(aimed, tools)
    reading = {tool.name for tool in tools if not (tool.writes and tool.verb)}
    texts = [text for result in aimed if result.tool in reading for text in _texts(result.content)]
    chosen = _meant(clause, found, tools) if found else []
    return Material(
        text="\n".join(texts) or _brought(conversation.prompt, clause),
        prompt=conversation.prompt,
        clause=clause,
        at=conversation.at,
        records=found,
        record=chosen[0] if len(chosen) == 1 else None,
        others=records([result for result in done if result not in aimed], tools),
        answer=answer,
        failed=any(result.outcome != "success" for result in conversation.results),
        things=frozenset().union(*(record.nouns for record in found)),
    )


def _meant(clause: Clause, found: Sequence[Record], tools: Sequence[Tool]) -> list[Record]:
    exclude = frozenset().union(*(tool.nouns | tool.parameters for tool in tools))
    return matching(clause, found, exclude) if len(found) > 1 else list(found)


def _brought(prompt: str, clause: Clause) -> str:
    """The text in a prompt that is to be judged, without the words that ask for it."""
    _, brought = split_material(prompt)
    quoted = [m.value for m in clause.mentions if m.kind == "quote" and len(m.value.split()) >= _LONG]
    if brought:
        return brought
    if quoted and any(verb_of(token.word) for token in clause.tokens[:3]):
        return "\n".join(quoted)
    head, colon, tail = prompt.partition(":")
    asks = bool(colon) and len(head.split()) <= 8 and any(concept(t.word) in _ASKED for t in tokens(head))
    return tail.strip() if asks and tail.strip() and not tail.startswith("//") else prompt


_ASKED = frozenset(map(concept, word_set("analyse sentiment tone mood classify judge keywords summarise text review")))


def _texts(content: Any) -> Iterator[str]:
    """The texts in what a tool returned that say something, without ids and bare numbers."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for item in content:
            yield from _texts(item)
    elif isinstance(content, dict):
        found = {k: v for k, v in content.items() if not is_id(k) and (not isinstance(v, str) or _tells(v))}
        for value in found.values():
            if isinstance(value, str | list | dict):
                yield from _texts(value)


def _tells(text: str) -> bool:
    return any(character.isalpha() for character in text) and not text.startswith(("http://", "https://"))
