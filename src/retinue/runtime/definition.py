"""Which version of an agent's definition this is."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent


def digest_of(agent: DjangoAgent[Any, Any]) -> str:
    """A digest of the instructions, the model, the agent's own tools and the output's schema."""
    tools = {
        name: [tool.description, tool.function_schema.json_schema]
        for name, tool in sorted(agent._function_toolset.tools.items())
    }
    sourced = [*agent._instructions, *agent._cap_instructions]
    instructions = [_text(part.instruction) for part in sourced]
    instructions += [*agent._system_prompts, *(_text(prompt.function) for prompt in agent._system_prompt_functions)]
    described = [agent._model_name or getattr(agent.model, "model_id", ""), instructions, tools, _schema(agent)]
    return blake2b(to_json(described, fallback=_text), digest_size=16).hexdigest()


def _schema(agent: DjangoAgent[Any, Any]) -> Any:
    try:
        return agent.output_json_schema()
    except Exception as error:  # an output type without a schema still has a name
        return [repr(agent._output_type), type(error).__name__]


def _text(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or (type(value).__qualname__ if callable(value) else None)
    return f"{value.__module__}.{name}" if name else str(value)
