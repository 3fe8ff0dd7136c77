"""The final answer in words: what the tools returned, what could not be done, or who is speaking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from retinue.providers.offline import numeral
from retinue.providers.offline.clause import Clause
from retinue.providers.offline.conversation import Conversation, Result, errors_of
from retinue.providers.offline.prompt import clauses
from retinue.providers.offline.record import Record, extreme, records
from retinue.providers.offline.smalltalk import alone
from retinue.providers.offline.table import cell, counted, heading, markdown, unwrapped
from retinue.providers.offline.text import concept, name_concepts, name_words, sentences, singular
from retinue.providers.offline.tool import Tool
from retinue.providers.offline.words import SUPERLATIVES


@dataclass
class Answer:
    """Puts the answer together. `shown` are the tools that were called for their own sake."""

    conversation: Conversation
    tools: Sequence[Tool]
    shown: frozenset[str]
    problems: Sequence[str]

    def text(self) -> str:
        """The answer in Markdown. Where there is nothing to tell, it says who is speaking."""
        parts = [part for result in self._telling() if (part := self._told(result))]
        parts += self.problems
        if not parts:
            return alone(self.conversation.prompt, self.conversation.at, self.tools)
        return "\n\n".join(parts)

    def _telling(self) -> list[Result]:
        """The results worth telling: neither steps on the way, nor searches that a later one made up for."""
        results = self.conversation.results
        wanted = [r for r in results if r.tool in self.shown or r.outcome in ("denied", "failed", "interrupted")]
        wanted = wanted or ([] if self.problems else list(results))
        return [r for i, r in enumerate(wanted) if not self._made_up_for(r, wanted[:i], wanted[i + 1 :])]

    def _made_up_for(self, result: Result, earlier: Sequence[Result], later: Sequence[Result]) -> bool:
        """Whether a call that came to nothing was made again: what was asked first is told, or what was found."""
        if result.outcome == "retried":
            return any(other.tool == result.tool for other in later)
        found = any(other.tool == result.tool and not other.empty for other in later)
        return result.empty and (found or any(other.tool == result.tool and other.empty for other in earlier))

    def _tool(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def _told(self, result: Result) -> str:
        tool = self._tool(result.tool)
        title = tool.title if tool else " ".join(name_words(result.tool))
        match result.outcome:
            case "denied":
                return f"“{title}” was not done: {_sentence(result.content)}"
            case "failed" | "interrupted":
                return f"“{title}” did not work: {_sentence(result.content)}"
            case "retried":
                return f"I could not use “{title}”: {_sentence(_reasons(result))}"
        if tool is not None and tool.writes and tool.verb:
            return self._done(result, title)
        return self._found(result, tool)

    def _done(self, result: Result, title: str) -> str:
        content = result.content
        arguments = ", ".join(f"{heading(k).lower()} {cell(v)}" for k, v in result.arguments.items())
        did = f"Done: {title}{f' ({arguments})' if arguments else ''}."
        if content is None or content is True or content == "":
            return did
        if isinstance(content, str):
            return content if len(content.split()) > 2 else f"{did} {_sentence(content)}"
        return f"{did}\n\n{markdown(content)}"

    def _found(self, result: Result, tool: Tool | None) -> str:
        content, noun, unlisted = unwrapped(result.content)
        noun = noun or (tool.noun if tool else "result")
        query = next((str(v) for k, v in result.arguments.items() if tool and k == tool.query_name and v), "")
        sought = f" for “{query}”" if query else ""
        if result.empty:
            return f"I found no {counted(2, noun)[2:]}{sought}."
        if isinstance(content, list):
            return self._several(content, noun, sought, result, unlisted)
        if isinstance(content, dict):
            return self._one(result, content, noun)
        said = markdown(content)
        plain = isinstance(content, str) and len(said.split()) > 1
        return said if plain else f"{heading(tool.title if tool else noun)}: {said}."

    def _several(self, content: list[Any], noun: str, sought: str, result: Result, unlisted: int) -> str:
        listed, among = len(content), f" of the first {len(content)}" if unlisted else ""
        content, within = self._within_limits(content, result)
        sought += within
        if within and unlisted:  # how many of the others are within the limits is not known
            sought, unlisted = f"{sought} among the first {listed} of {listed + unlisted}", 0
        if not content:
            return f"I found no {counted(2, noun)[2:]}{sought}."
        found = records([replace(result, content=content)], self.tools)
        lead = [f"I found {counted(len(content) + unlisted, noun)}{sought}:"]
        for clause in self._clauses():
            if pick := self._pick(clause, found, among):
                lead.insert(0, pick)
        if len(content) + unlisted == 1 and len(found) == 1 and (said := self._attribute(found[0])):
            lead = [said]
        return f"{' '.join(lead)}\n\n{markdown(content, unlisted)}"

    def _within_limits(self, content: list[Any], result: Result) -> tuple[list[Any], str]:
        """The rows within the bounds that were asked for, where the tool could not be told of them."""
        said = ""
        for clause in self._clauses():
            for field, side, bound in numeral.limits(clause):
                if bound not in result.arguments.values() and all(isinstance(row, dict) for row in content):
                    kept = [row for row in content if _keeps(Record(row, frozenset()).number(field), side, bound)]
                    content, said = kept, f"{said} with a {field} of {_SIDES[side]} {bound:g}"
        return content, said

    def _one(self, result: Result, content: dict[str, Any], noun: str) -> str:
        found = records([result], self.tools)
        said = self._attribute(found[0]) if len(found) == 1 else ""
        return f"{said or f'This is the {singular(noun)}:'}\n\n{markdown(content)}"

    def _clauses(self) -> list[Clause]:
        return clauses(self.conversation.prompt, self.conversation.at)

    def _pick(self, clause: Clause, found: Sequence[Record], among: str) -> str:
        """The one that "the cheapest" and the like mean, among those that are known."""
        if clause.superlative is None or len(found) < 2:
            return ""
        field, greatest = clause.superlative
        best = extreme(list(found), field, greatest)
        word = next(t.text for t in clause.tokens if t.word in SUPERLATIVES)
        key = best[0].key(field)
        figure = f" ({heading(key).lower()} {cell(best[0].values[key])})" if key else ""
        return f"The {_most(word, clause)}{among}: {best[0].name}{figure}." if len(best) == 1 else ""

    def _attribute(self, record: Record) -> str:
        """The one field of a thing that was asked for, in a sentence."""
        for clause in self._clauses():
            asked = clause.concepts | ({concept("price")} if {"how", "much"} <= clause.words else frozenset())
            for key, value in record.values.items() if clause.asks and record.named else ():
                if name_concepts(key) and asked.issuperset(name_concepts(key)) and value != record.name:
                    return f"The {heading(key).lower()} of {record.name} is {cell(value)}."
        return ""


_SIDES = {"max": "at most", "min": "at least"}


def _keeps(value: float | None, side: str, bound: float) -> bool:
    return value is not None and (value <= bound if side == "max" else value >= bound)


def _most(word: str, clause: Clause) -> str:
    ahead = next((w for w in ("most", "least") if w in clause.words), "")
    return f"{ahead} {word.lower()}".strip() if word.lower() == "expensive" else word.lower()


def _reasons(result: Result) -> str:
    errors = errors_of(result)
    return "; ".join(f"{'.'.join(map(str, e.get('loc') or ()))} {e.get('msg', '')}".strip() for e in errors)


def _sentence(content: Any) -> str:
    """A value as a sentence that ends with a full stop."""
    said = " ".join(sentences(markdown(content)))
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."
