"""The reply to a conversation: calls of tools, an output, or a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ToolOrOutput
from pydantic_ai.tools import ToolDefinition

from retinue.providers.offline.answer import Answer
from retinue.providers.offline.choice import Choice, choose
from retinue.providers.offline.conversation import FINDER, Conversation, errors_of
from retinue.providers.offline.correction import demands
from retinue.providers.offline.material import Material, material
from retinue.providers.offline.output import Output
from retinue.providers.offline.plan import Planner, Step
from retinue.providers.offline.prompt import clauses
from retinue.providers.offline.schema import Schema
from retinue.providers.offline.text import name_concepts, significant
from retinue.providers.offline.tool import Tool, tools_of
from retinue.providers.offline.words import GREETINGS


@dataclass
class Reply:
    """What to say next. `tools` are those that may be called now, `known` also those that were."""

    conversation: Conversation
    parameters: ModelRequestParameters
    tools: Sequence[Tool]
    instructions: str

    @classmethod
    def to(cls, messages: Sequence[ModelMessage], parameters: ModelRequestParameters, tool_choice: Any) -> Reply:
        """The reply to these messages. `tool_choice` is the model setting of that name."""
        offered = _allowed(parameters.declared_function_tools, tool_choice)
        instructions = " ".join(part.content for part in parameters.instruction_parts or ())
        return cls(Conversation.of(messages), parameters, tools_of(offered), instructions)

    @property
    def structured(self) -> bool:
        """Whether the answer is to fill a schema."""
        return self.parameters.output_object is not None or self.output_tool is not None

    @cached_property
    def output_tool(self) -> ToolDefinition | None:
        """The output tool to end with: the one most like the prompt; none where a text will do better."""
        offered = self.parameters.output_tools
        said = {token.concept for token in significant(self.conversation.prompt)}
        scores = [_likeness(tool, said) for tool in offered]
        if not offered or (self.parameters.allow_text_output and max(scores) < 2):
            return None
        return offered[scores.index(max(scores))]

    @cached_property
    def choice(self) -> Choice:
        conversation = self.conversation
        found = clauses(conversation.prompt, conversation.at)
        return choose(found, self.tools, instructions=self.instructions, structured=self.structured)

    @cached_property
    def step(self) -> Step:
        return Planner(self.conversation, self.tools, self.choice).step()

    @cached_property
    def answer(self) -> Answer:
        shown = frozenset(goal.tool.name for goal in self.choice.goals)
        return Answer(self.conversation, self.tools, shown, self.step.problems)

    def calls(self) -> list[tuple[str, Any]]:
        """The calls to make now: of tools, or in the end that of the output tool."""
        if self.step.calls:
            return [(call.tool, call.arguments) for call in self.step.calls]
        if sought := self._sought():
            return sought
        tool = self.output_tool
        return [(tool.name, self._filled(tool.parameters_json_schema))] if tool is not None else []

    def _sought(self) -> list[tuple[str, Any]]:
        """The search for tools that are not offered yet, once, where none of those at hand will do."""
        finder = next((tool.name for tool in self.parameters.declared_function_tools if tool.tool_kind == FINDER), None)
        said = significant(self.conversation.prompt[:500])
        words = [token.text for token in said if token.word not in GREETINGS]
        if finder is None or self.conversation.sought or self.choice.goals or not words:
            return []
        return [(finder, {"queries": words})]

    def text(self) -> str:
        """The answer in words, or as JSON where the output is to be that."""
        wanted = self.parameters.output_object
        if wanted is not None:
            return json.dumps(self._filled(wanted.json_schema), ensure_ascii=False, default=str)
        return self.answer.text()

    def _filled(self, schema: Schema) -> Any:
        demanded = demands(self._errors(), schema.get("properties") or ())
        return Output(schema, self._material(), demanded).fill()

    def _material(self) -> Material:
        return material(self.conversation, self.tools, self.answer.text(), self.answer.shown)

    def _errors(self) -> list[dict[str, Any]]:
        """For what outputs were refused since the prompt."""
        names = {tool.name for tool in self.parameters.output_tools}
        refused = [r for r in self.conversation.results if r.tool in names and r.outcome == "retried"]
        return [*self.conversation.errors, *(error for result in refused for error in errors_of(result))]


def _allowed(offered: Sequence[ToolDefinition], tool_choice: Any) -> Sequence[ToolDefinition]:
    if tool_choice == "none":
        return []
    chosen = tool_choice.function_tools if isinstance(tool_choice, ToolOrOutput) else tool_choice
    return [tool for tool in offered if tool.name in chosen] if isinstance(chosen, list) else offered


def _likeness(tool: ToolDefinition, said: set[str]) -> int:
    """How many words of a prompt an output's name, description and fields share."""
    words = {token.concept for token in significant(tool.description or "")}
    words.update(name_concepts(tool.name), *map(name_concepts, tool.parameters_json_schema.get("properties", {})))
    return len(words & said)
