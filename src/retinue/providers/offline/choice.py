"""Which tools a prompt asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retinue.providers.offline.clause import Clause, verb_of
from retinue.providers.offline.text import concept
from retinue.providers.offline.tool import THRESHOLD, Tool
from retinue.providers.offline.words import READ_VERBS

_MOST_READS = 3
_FREE = frozenset({"create", "send", "start"})
"""Verbs that may ask for words instead of a change."""


@dataclass(frozen=True)
class Goal:
    """A tool that is to be used for what a clause says; `besides` are concepts that name no thing there."""

    tool: Tool
    clause: Clause
    besides: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Choice:
    """The goals in the prompt's order, and sentences about commands that no tool serves."""

    goals: tuple[Goal, ...] = ()
    problems: tuple[str, ...] = ()


def choose(clauses: Sequence[Clause], tools: Sequence[Tool], *, instructions: str, structured: bool) -> Choice:
    """The tools to use for each clause. `structured`: the prompt brings material for an output to be filled."""
    goals: list[Goal] = []
    problems: list[str] = []
    for clause in clauses:
        writes, problem = _writes(clause, tools)
        if problem:
            problems.append(problem)
        elif writes:
            goals += [Goal(tool, clause) for tool in writes]
        elif structured or len(clauses) == 1 or _wants(clause):
            goals += [Goal(tool, clause) for tool in _reads(clause, tools, instructions, structured)]
    return Choice(tuple(_once(goals)), tuple(problems))


def _once(goals: Sequence[Goal]) -> list[Goal]:
    """The goals without those that read for a later clause what an earlier one reads anyway."""
    kept: list[Goal] = []
    for goal in goals:
        repeated = any(goal.tool.name == other.tool.name for other in kept)
        if not repeated or goal.tool.writes or goal.clause.subject(frozenset()) or goal.clause.mentions:
            kept.append(goal)
    return kept


def _wants(clause: Clause) -> bool:
    return clause.asks or bool(clause.verbs & READ_VERBS.keys())


def _writes(clause: Clause, tools: Sequence[Tool]) -> tuple[list[Tool], str]:
    """The tools that do what a clause commands, or else a sentence that none can."""
    fitting = [tool for tool in tools if tool.writes and tool.fits(clause)]
    ranked = _ranked([(tool.relevance(clause), tool) for tool in fitting])
    if ranked:
        return _covering(ranked, clause, len(ranked)), ""
    if clause.command is None:
        return [], ""
    if len(fitting) == 1 and verb_of(clause.command.word) not in _FREE:
        return fitting, ""
    return [], _unserved(clause, clause.command.word, fitting)


def _unserved(clause: Clause, verb: str, fitting: Sequence[Tool]) -> str:
    if verb_of(verb) in _FREE:
        return ""  # "write a summary" needs no tool that writes
    if fitting:
        names = ", ".join(f"“{tool.title}”" for tool in fitting)
        return f"I have several tools for that ({names}) and cannot tell which you mean."
    return f"I have no tool for this: “{' '.join(clause.text.split())}”"


def _reads(clause: Clause, tools: Sequence[Tool], instructions: str, structured: bool) -> list[Tool]:
    """The tools that find out what a clause asks for."""
    if clause.idle or not (structured or _wants(clause) or len(clause.tokens) <= 6):
        return []
    reading = [tool for tool in tools if not tool.writes and tool.fits(clause)]
    ranked = _ranked([(_told(tool, clause, instructions), tool) for tool in reading], THRESHOLD)
    if ranked:
        return _covering(ranked, clause, _MOST_READS)
    if clause.material or not (clause.specific or clause.subject(frozenset())):
        return []
    spare = _ranked([(tool.fallback(clause), tool) for tool in reading])
    return [tool for _, tool in spare[:1]]


def _told(tool: Tool, clause: Clause, instructions: str) -> float:
    """A tool's relevance, more if the instructions name it."""
    relevance = tool.relevance(clause)
    return relevance + 2 if relevance > 0 and tool.name in instructions else relevance


def _ranked(scored: Sequence[tuple[float, Tool]], threshold: float = 0.01) -> list[tuple[float, Tool]]:
    return sorted((pair for pair in scored if pair[0] >= threshold), key=lambda pair: -pair[0])


def _covering(ranked: Sequence[tuple[float, Tool]], clause: Clause, most: int) -> list[Tool]:
    """The best tool, and further ones that act on something the clause names and those before leave out."""
    chosen: list[Tool] = []
    covered: set[str] = set()
    for _, tool in ranked:
        named = tool.nouns & clause.concepts
        if not chosen or named - covered:
            chosen.append(tool)
            covered |= tool.nouns | tool.parameters | {concept(tool.noun)}
    return chosen[:most]
