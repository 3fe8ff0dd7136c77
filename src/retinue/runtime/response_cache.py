"""Answers that were given before, and questions that several runs ask at once.

Which runs ask the same: see `key_of`. What is kept: the output of a completed run that did nothing but answer.
Within a process runs share an answer through a future; across processes through Django's cache, where `add`
decides which run asks the model. A run is known there by its lease: the others see in the database whether it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pydantic_ai import RunContext, RunUsage
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models import CompletedStreamedResponse, ModelRequestParameters
from pydantic_core import to_json

from retinue.conf import get_settings
from retinue.providers.prsm.settings import get_prsm_settings
from retinue.providers.resolve import resolve_model
from retinue.runtime.cache_line import CacheAway, CacheLine, enter, leave, line_of
from retinue.runtime.journal.creation import refusal
from retinue.runtime.run import HandedBack, LeaseLost, Run
from retinue.runtime.steps.tool_calls import fresh_grants, want

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent
    from retinue.runtime.run import Frame

IRRELEVANT = {"timeout", "usage_limits", "max_cost", "key", "cache"}
"""Options that change how long a run may take, not what it answers."""
OWN = "own"
"""Kept instead of an answer: every run has to find its own, at once."""
TICK = 0.25
"""How often a run that waits looks whether its worker stops."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""How often a process looks whether another one has the answer."""
LOCK_SECONDS = 3600.0
"""How long the cache remembers who asks, where the run may not take longer anyway."""
FREE = {"cost": Decimal(0), "charge": Decimal(0), "from_cache": True}
"""What a run has used that another one answered."""


@dataclass(frozen=True, kw_only=True)
class CachedAnswer:
    """What stands for pydantic-ai's result where no model was asked."""

    output: Any
    text: str
    prompt: str
    history: Any = None

    def all_messages(self) -> list[ModelMessage]:
        """The conversation as if the model had said it just now."""
        earlier = [] if self.history is None else ModelMessagesTypeAdapter.validate_python(self.history)
        return [*earlier, *self.new_messages()]

    def new_messages(self) -> list[ModelMessage]:
        return [ModelRequest(parts=[UserPromptPart(self.prompt)]), ModelResponse(parts=[TextPart(self.text)])]

    async def tell(self, handler: Callable[..., Any], ctx: RunContext[Any]) -> None:
        """Give a text to who watches, as a model that says it at once."""
        if isinstance(self.output, str):
            response = ModelResponse(parts=[TextPart(self.text)])
            parameters = ModelRequestParameters()
            events = CompletedStreamedResponse(response, model_request_parameters=parameters, replay_events=True)
            await handler(ctx, events)


def checked_seconds(value: Any) -> float | bool | None:
    """How long answers are kept, as an agent or a run says it; `True`: as PRSM's `CACHE_TTL`; else not at all."""
    if value is None or value is False:
        return None
    if value is True:
        return True
    if not isinstance(value, int | float):
        raise TypeError(f"cache={value!r}: it takes a number of seconds.")
    if value <= 0:
        raise ValueError(f"cache={value!r}: it takes more than 0 seconds.")
    return value


def seconds_of(value: float | bool | None) -> float | None:
    """What an agent or a run says, in seconds."""
    return float(get_prsm_settings().cache_ttl) if value is True else value


def key_of(run: Run, agent: DjangoAgent[Any, Any], options: Mapping[str, Any]) -> str:
    """The same in every process for the same agent, question, deps, context, history, model and principal."""
    given = run.execution.given
    options = {name: value for name, value in options.items() if name not in IRRELEVANT}
    if "message_history" in options:
        options["message_history"] = [_said(message) for message in options["message_history"]]
    model = options.get("model") or agent.model_name
    asked = {
        "agent": [agent.name, agent.digest],
        "principal": [run.principal.type, run.principal.key],
        "prompt": given["prompt"],
        "deps": given["deps"],
        "context": given.get("context", {}),
        "options": options,
        "model": [model, get_settings().models.get(model)],
    }
    canonical = to_json(_sorted(asked), fallback=lambda value: type(value).__qualname__)
    return f"retinue:answer:{blake2b(canonical, digest_size=16).hexdigest()}"


def _said(message: dict[str, Any]) -> Any:
    """What a message says, not when and in which run it was said."""
    parts = [{name: value for name, value in part.items() if name != "timestamp"} for part in message["parts"]]
    return [message["kind"], message.get("instructions"), parts]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return [[str(name), _sorted(value[name])] for name in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return ["list", *map(_sorted, value)]
    return value


def is_shared(run: Run, agent: DjangoAgent[Any, Any]) -> bool:
    """Whether another run may stand for this one.

    Not where it has begun already, or where it is given what has no name: a model instance, an override.
    """
    overrides = (value for name, value in vars(agent).items() if name.startswith("_override_"))
    return (
        not run.steps
        and not run.execution.given.get("model_instance")
        and all(override.get() is None for override in overrides)
    )


@dataclass(eq=False, kw_only=True)
class Question:
    """What a run is about to ask, and whether another run asks or has asked it."""

    frame: Frame
    seconds: float
    options: dict[str, Any]
    key: str = field(init=False)
    _future: asyncio.Future[Any] | None = None
    """What the other runs of this process wait for."""
    _place: str = ""
    """Where the cache says that this run asks."""
    _kept: Any = None

    def __post_init__(self) -> None:
        self.key = key_of(self.run, self.frame.agent, self.options)

    @property
    def run(self) -> Run:
        return self.frame.run

    @property
    def _line(self) -> CacheLine:
        return line_of(self.run.bridge)

    async def answer(self) -> CachedAnswer | None:
        """What another run answered; None: this one has to ask."""
        found, waited = await self._find()
        if waited:
            await self._check_permission()
        if found is None or found == OWN or not await self._is_for_the_same_tools(found):
            return None
        try:
            output = self.frame.agent.load_output(found["output"])
        except ValueError:  # of other code with the same schema
            return None
        self.run.execution.quality_score = found["quality_score"]
        text = found["output"] if isinstance(found["output"], str) else to_json(found["output"]).decode()
        prompt = self.run.execution.given["prompt"]
        return CachedAnswer(output=output, text=text, prompt=prompt, history=self.options.get("message_history"))

    async def tell(self, answer: CachedAnswer, deps: Any, handler: Callable[..., Any] | None) -> None:
        """Give the answer to who watches the run."""
        if handler is not None:
            agent = self.frame.agent
            model: Any = agent.choose_model(self.options.get("model"), resolve_model) or agent.model
            await answer.tell(handler, RunContext(deps=deps, model=model, usage=RunUsage()))

    def keep(self, output: Any, given: Any) -> None:
        """Have the others know the output of this run, which has completed: `given`, stored as `output`.

        One that did something besides, or whose output cannot be rebuilt, answers only for itself.
        """
        run = self.run
        if run.acted or not _can_be_rebuilt(self.frame.agent, output, given):
            self._kept = OWN
            return
        held = [name for name in run.wanted if run.grants.allows(name)]
        quality = run.execution.quality_score
        self._kept = {"output": output, "quality_score": quality, "wanted": list(run.wanted), "held": held}

    async def close(self) -> None:
        """Let the others know what became of it. Without an answer one of them goes on."""
        self._share(self._kept)
        kept, place, self._kept, self._place = self._kept, self._place, None, ""
        if kept is not None or place:
            with suppress(CacheAway):
                await self._line.call(self.run.bridge, leave, self.key, place, _owner(self.run), kept, self.seconds)

    async def _find(self) -> tuple[Any, bool]:
        """What the others know; and whether this run had to wait for it."""
        asked, waited = self._line.asked, False
        while (other := asked.get(self.key)) is not None:
            waited = True
            await self._wait(other)
            if (found := other.result()) is not None:
                return found, waited
        asked[self.key] = self._future = asyncio.get_running_loop().create_future()
        timeout = self.options.get("timeout", self.frame.agent.timeout)
        lock_seconds = max(timeout or 0.0, LOCK_SECONDS)
        bridge, pause = self.run.bridge, SHORTEST_PAUSE
        while True:
            try:
                found, self._place = await self._line.call(
                    bridge, enter, self.key, _owner(self.run), lock_seconds, bridge.alias
                )
            except CacheAway:
                return None, waited
            if found is not None:
                self._share(found)
            if found is not None or self._place:
                return found, waited
            waited = True
            await self._wait(None, pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _wait(self, other: asyncio.Future[Any] | None, seconds: float = TICK) -> None:
        """Wait for another run of this process, or for so long; not while the worker stops."""
        while True:
            if self.run.lost:
                raise LeaseLost(f"The lease of execution {self.run.id} is gone.")
            if self.run.draining:
                raise HandedBack
            if other is None:
                await asyncio.sleep(seconds)
                return
            await asyncio.wait([other], timeout=seconds)
            if other.done():
                return

    def _share(self, found: Any) -> None:
        """Let the runs of this process know. None: one of them goes on."""
        future, self._future = self._future, None
        if future is not None:
            del self._line.asked[self.key]
            future.set_result(found)

    async def _check_permission(self) -> None:
        run, agent = self.run, self.frame.agent
        run.grants_fresh = False
        if not (await fresh_grants(run)).may_run(agent.permission):
            raise refusal(run.grants, agent.name)

    async def _is_for_the_same_tools(self, found: dict[str, Any]) -> bool:
        """Whether the principal may use now what he might use then: the answer may tell of it."""
        want(self.run, found["wanted"])
        grants = await fresh_grants(self.run)
        return found["held"] == [name for name in found["wanted"] if grants.allows(name)]  # type: ignore[no-any-return]


def _owner(run: Run) -> str:
    return f"{run.id.hex}{run.token.hex}"


def _can_be_rebuilt(agent: DjangoAgent[Any, Any], output: Any, given: Any) -> bool:
    try:
        return bool(agent.load_output(output) == given)
    except ValueError:
        return False
