"""What to do next: the calls of a round, worked out from the goals and from what the rounds before returned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from retinue.providers.offline.arguments import Arguments, Filler, numbered
from retinue.providers.offline.choice import Choice, Goal
from retinue.providers.offline.conversation import Conversation, Result, errors_of
from retinue.providers.offline.correction import corrected
from retinue.providers.offline.question import asking, not_found, unsure, which
from retinue.providers.offline.record import MOST, Record, covers, matching, records
from retinue.providers.offline.tool import Tool, id_noun, is_id

MOST_ROUNDS = 6
"""How many rounds of tools one prompt gets."""
_CORRECTIONS = 2


@dataclass(frozen=True)
class Call:
    """A call of a tool."""

    tool: str
    arguments: dict[str, Any]


@dataclass
class Step:
    """Calls to make now, or sentences about what cannot be done."""

    calls: list[Call] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Planner:
    """Works towards the goals of a choice, from one round to the next; keeps nothing in between."""

    conversation: Conversation
    tools: Sequence[Tool]
    choice: Choice

    @cached_property
    def exclude(self) -> frozenset[str]:
        """The concepts that tools are about, which do not tell one thing from another."""
        return frozenset().union(*(tool.nouns | tool.parameters for tool in self.tools))

    @cached_property
    def evidence(self) -> list[Record]:
        """What was read in this turn. What a tool that writes returned is the outcome, not a ground for more."""
        reading = {tool.name for tool in self.tools if not tool.writes}
        return records([r for r in self.conversation.results if r.tool in reading], self.tools)

    @cached_property
    def remembered(self) -> list[Record]:
        """What was read in earlier turns, the latest first."""
        return [r for result in reversed(self.conversation.earlier) for r in records([result], self.tools)]

    def step(self) -> Step:
        """The next calls. Goals that change something wait for those ahead of them, and those after wait for them."""
        step = Step(problems=list(self.choice.problems))
        for _, group in groupby(self.choice.goals, key=lambda goal: goal.tool.writes):
            for goal in group:
                found = self._towards(goal, ())
                step.calls += [call for call in found.calls if call not in step.calls]
                step.problems += [problem for problem in found.problems if problem not in step.problems]
            if step.calls:
                break
        if step.calls and self.conversation.rounds >= MOST_ROUNDS:
            return Step(problems=[*step.problems, f"I stopped after {MOST_ROUNDS} rounds of tools."])
        return step

    def _towards(self, goal: Goal, chain: tuple[str, ...]) -> Step:
        """The calls that bring a goal nearer; `chain` are the tools that wait for it."""
        found = self._filler(goal).fill()
        if not found.missing:
            if goal.tool.query_name:
                return self._searching(goal)
            named = range(min(self._filler(goal).ids(), MOST))
            return self._calling(goal, [self._filler(goal, pick=place).fill() for place in named])
        if set(found.missing) - set(found.of_record):
            return Step(problems=[asking(goal.tool, found)])
        chosen = self._chosen(goal, found)
        if not chosen:
            return self._supplied(goal, found, chain)
        return self._for_records(goal, chosen)

    def _filler(self, goal: Goal, known: Sequence[Record] = (), attempt: int = 0, pick: int = 0) -> Filler:
        prompt = self.conversation.prompt
        return Filler(goal.tool, goal.clause, prompt, self._unnaming(goal), known, attempt, pick)

    def _unnaming(self, goal: Goal) -> frozenset[str]:
        """The concepts that do not tell one thing from another where a goal is concerned."""
        return self.exclude | goal.tool.about | goal.besides

    def _for_records(self, goal: Goal, chosen: list[Record]) -> Step:
        tool, clause, unnaming = goal.tool, goal.clause, self._unnaming(goal)
        nearest = chosen[0]
        if tool.writes and (clause.plural or len(chosen) == 1):
            chosen = [record for record in chosen if covers(clause, record, unnaming)]
        if not chosen:
            return Step(problems=[unsure(clause.subject(unnaming), nearest)])
        if any(_takes_list(tool, name) for name in tool.id_names if name in tool.required):
            return self._calling(goal, [self._filler(goal, chosen).fill()])
        if len(chosen) > (MOST if clause.plural else 1):
            return Step(problems=[which(chosen, tool)])
        return self._calling(goal, [self._filler(goal, [record]).fill() for record in chosen])

    def _chosen(self, goal: Goal, found: Arguments) -> list[Record]:
        """The things that a goal is about, among those that can supply what it lacks."""
        unnaming = self._unnaming(goal)
        for known, sure in ((self.evidence, True), (self.remembered, False)):
            usable = _distinct([r for r in known if _supplies(r, goal.tool, found)], goal.tool)
            if not usable:
                continue
            chosen = matching(goal.clause, usable, unnaming)
            if sure or (len(chosen) == 1 and covers(goal.clause, chosen[0], unnaming)):
                return chosen
            if goal.clause.pronouns and not goal.clause.subject(unnaming):
                return self._last_used(goal.tool, usable) or usable[:1]
        return []

    def _last_used(self, tool: Tool, usable: Sequence[Record]) -> list[Record]:
        """The thing that the latest earlier call was about."""
        used = (
            r.arguments[name]
            for r in reversed(self.conversation.earlier)
            for name in tool.id_names
            if name in r.arguments
        )
        last = next(used, None)
        return [r for r in usable if any(r.identify(name) == last for name in tool.id_names)][:1]

    def _searching(self, goal: Goal) -> Step:
        """Searches again in other words as long as nothing is found."""
        for attempt in range(3):
            found = self._filler(goal, attempt=attempt).fill()
            lost = attempt > 0 and goal.tool.query_name not in found.values
            if found.missing or lost:
                break
            result = self._result(goal.tool, found.values)
            if result is None or not result.empty:
                return self._calling(goal, [found])
        return Step()

    def _calling(self, goal: Goal, filled: Sequence[Arguments]) -> Step:
        step = Step()
        for found in filled:
            if found.missing:
                step.problems.append(asking(goal.tool, found))
                continue
            result = self._result(goal.tool, found.values)
            if result is None:
                step.calls.append(Call(goal.tool.name, found.values))
            elif result.outcome == "retried":
                step.calls += self._again(goal.tool, result)
        return step

    def _again(self, tool: Tool, refused: Result) -> list[Call]:
        """The refused call with its arguments corrected, if that can be done."""
        tries = [result for result in self.conversation.results if result.tool == tool.name]
        arguments = corrected(refused.arguments, errors_of(refused), tool)
        if arguments is None or sum(result.outcome == "retried" for result in tries) >= _CORRECTIONS:
            return []
        if any(_same(result.arguments, arguments) for result in tries):
            return []
        return [Call(tool.name, arguments)]

    def _result(self, tool: Tool, arguments: dict[str, Any]) -> Result | None:
        """What the same call came to: the same arguments or, for a tool that writes, the same thing."""
        identities = [name for name in tool.id_names if name in arguments] if tool.writes else []
        for result in reversed(self.conversation.results):
            if result.tool != tool.name:
                continue
            if _same(result.arguments, arguments):
                return result
            if identities and all(result.arguments.get(name) == arguments[name] for name in identities):
                return result
            if result.outcome == "retried" and not identities:
                return result
        return None

    def _supplied(self, goal: Goal, found: Arguments, chain: tuple[str, ...]) -> Step:
        """The call of a tool that may return what a goal lacks."""
        waiting = (*chain, goal.tool.name)
        if len(waiting) <= 3:
            for tool in self._suppliers(goal, found, waiting):
                step = self._towards(Goal(tool, goal.clause, goal.besides | goal.tool.about), waiting)
                if step.calls:
                    return step
        if any(result.outcome == "success" for result in self.conversation.results):
            return Step(problems=[not_found(goal.tool, goal.clause, found, self._unnaming(goal))])
        return Step(problems=[asking(goal.tool, found)])

    def _suppliers(self, goal: Goal, found: Arguments, waiting: Sequence[str]) -> list[Tool]:
        """The tools that read things of the kind that is lacking, the likeliest first."""
        nouns = {noun for name in goal.tool.id_names if (noun := id_noun(name))} or goal.tool.nouns
        known = any(name in found.values for name in goal.tool.id_names)
        order = ("get", "search", "list") if known else ("search", "list", "get")
        reading = [tool for tool in self.tools if not tool.writes and tool.name not in waiting]
        related = [tool for tool in reading if tool.nouns & nouns] or [t for t in reading if t.query_name]
        return sorted(related, key=lambda t: order.index(t.verb) if t.verb in order else len(order))


def _supplies(record: Record, tool: Tool, found: Arguments) -> bool:
    noun = next(iter(tool.nouns), "") if len(tool.nouns) == 1 else ""
    for name in tool.id_names:
        known = found.values.get(name)
        value = record.identify(name, noun)
        if known is not None and value is not None and str(known) != str(value):
            return False
    return all(
        record.identify(name, noun) is not None if is_id(name) else record.key(*numbered(name, tool)) is not None
        for name in found.of_record
    )


def _distinct(found: Sequence[Record], tool: Tool) -> list[Record]:
    """The records without those that are the same thing, found twice."""
    kept: dict[str, Record] = {}
    for record in found:
        key = (
            json.dumps([str(record.identify(name)) for name in tool.id_names]) if tool.id_names else str(record.values)
        )
        kept[key] = replace(record, values={**record.values, **kept[key].values}) if key in kept else record
    return list(kept.values())


def _takes_list(tool: Tool, name: str) -> bool:
    return bool(tool.properties[name].get("type") == "array")


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)
