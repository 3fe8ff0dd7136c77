"""`DjangoAgent`: a pydantic-ai agent whose runs are executions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

import pydantic_ai
from pydantic import TypeAdapter
from pydantic_ai import Agent
from pydantic_ai.capabilities import AgentCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model
from pydantic_ai.run import AgentRun
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from typing_extensions import TypeVar

from retinue.agents.deps import DjangoDeps
from retinue.agents.policy import (
    DEFAULT_TTL,
    METADATA_KEY,
    ApprovalRule,
    DefaultTTL,
    Effects,
    OnUncertain,
    ToolPolicy,
    policy_of,
)
from retinue.conf import get_settings
from retinue.runtime.definition import digest_of
from retinue.runtime.response_cache import checked_seconds
from retinue.runtime.run import current_frame
from retinue.runtime.steps.durability import Durability

if TYPE_CHECKING:
    from uuid import UUID

    from retinue.executions.models import AgentExecution
    from retinue.runtime.result import AgentResult
    from retinue.runtime.streams import AgentStream
    from retinue.sessions.models import AISession
    from retinue.types import Principal

DepsT = TypeVar("DepsT", bound=DjangoDeps, default=DjangoDeps)
OutputT = TypeVar("OutputT", default=str)

# Runs start on the engine's loop, where pydantic-ai takes them for a person's first try.
pydantic_ai.BANNER_ENABLED = False


class DjangoAgent(Agent[DepsT, OutputT], Generic[DepsT, OutputT]):
    """A named, typed agent. `name` is persisted identity: never reuse it for something else.

    `permission`: a Django permission, AUTHENTICATED, PUBLIC, or None for superusers and the system.
    `timeout`: seconds of work, waiting left out. `max_cost`: US dollars; `max_credits`: credits. `model`: a string,
    an instance, or None for `RETINUE["MODEL"]`. `cache`: seconds for which the same question of the same user gets the
    same answer, for nothing. Everything else is as in `pydantic_ai.Agent`.
    """

    is_retinue_agent = True

    def __init__(
        self,
        name: str,
        *,
        output_type: Any = str,
        deps_type: type[DepsT] = DjangoDeps,  # type: ignore[assignment]
        model: Model | str | None = None,
        permission: str | None = None,
        timeout: float | None = None,
        max_cost: Decimal | None = None,
        max_credits: Decimal | None = None,
        cache: float | bool | None = None,
        capabilities: Sequence[AgentCapability[DepsT]] = (),
        **options: Any,
    ) -> None:
        if not name or len(name) > 100:
            raise ValueError("An agent needs a name of at most 100 characters.")
        if not issubclass(deps_type, DjangoDeps):
            raise TypeError(f"The deps_type of {name!r} is not a subclass of DjangoDeps, so it cannot be stored.")
        super().__init__(
            model if isinstance(model, Model) else None,
            name=name,
            output_type=output_type,
            deps_type=deps_type,
            defer_model_check=True,
            capabilities=[*capabilities, Durability()],
            **options,
        )
        self.permission = permission
        self.timeout = timeout
        self.max_cost = max_cost
        self.max_credits = max_credits
        self.cache = checked_seconds(cache)
        self._model_name = model if isinstance(model, str) else None
        self._output_type = output_type

    # --- definition

    @property
    def name(self) -> str:
        """The name, under which its executions are kept."""
        return super().name or ""

    @name.setter
    def name(self, value: str | None) -> None:
        raise AttributeError("An agent's name is persisted identity: it cannot be changed.")

    @overload
    def tool(self, func: Callable[..., Any], /) -> Callable[..., Any]: ...

    @overload
    def tool(
        self,
        /,
        *,
        permission: str | None = None,
        effects: Effects | None = None,
        on_uncertain: OnUncertain = "ask",
        approval: ApprovalRule = False,
        approval_ttl: float | DefaultTTL | None = DEFAULT_TTL,
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...

    def tool(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Register a tool that takes the context first.

        See `ToolPolicy` for `permission`, `effects`, `on_uncertain`, `approval` and `approval_ttl`; effects are
        "database" for a `def` and "external" for an `async def` unless said otherwise.
        """
        return self._register(super().tool, func, options)

    def tool_plain(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Register a tool that takes no context. See `tool`."""
        return self._register(super().tool_plain, func, options)

    def _register(self, register: Any, func: Callable[..., Any] | None, options: dict[str, Any]) -> Any:
        if func is None:
            return lambda func: self._register(register, func, options)
        self.__dict__.pop("digest", None)
        self.__dict__.pop("wanted", None)
        policy, rest = _split(func, options)
        metadata = {**(rest.pop("metadata", None) or {}), METADATA_KEY: policy}
        return register(requires_approval=policy.approval is True, metadata=metadata, **rest)(func)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The permissions that the agent and its own tools ask for."""
        tools = self._function_toolset.tools.values()
        names = {self.permission, *(policy_of(tool).permission for tool in tools)}
        return tuple(sorted(name for name in names if name and ":" not in name))

    @cached_property
    def digest(self) -> str:
        """Of the definition: instructions, model, tools and output."""
        return digest_of(self)

    @property
    def model_name(self) -> str:
        """The model's name as it is set now."""
        if isinstance(self.model, Model):
            return self.model.model_id
        return self._model_name or get_settings().model

    def choose_model(self, asked: str | None, resolve: Callable[[str], Model]) -> Model | None:
        """The model of a run; None leaves it to pydantic-ai (an instance of the agent's own, or an override)."""
        if asked is None and (self._override_model.get() is not None or isinstance(self.model, Model)):
            return None
        return resolve(asked or self._model_name or get_settings().model)

    def load_output(self, stored: Any) -> OutputT:
        """An output rebuilt from what was stored of it."""
        output: OutputT = self._output_adapter.validate_python(stored)
        return output

    @cached_property
    def _output_adapter(self) -> TypeAdapter[Any]:
        kind: Any = self._output_type
        if isinstance(kind, type) or hasattr(kind, "__origin__"):
            return TypeAdapter(kind)
        return TypeAdapter(Any)

    def validate_arguments(self, tool_name: str, arguments: dict[str, Any]) -> None:
        """Have a tool check arguments: the agent's own, or one of its function toolsets'.

        Those of other toolsets are known only while they run. Raises pydantic's ValidationError.
        """
        tools: dict[str, Any] = {}

        def collect(toolset: AbstractToolset[Any]) -> None:
            if isinstance(toolset, FunctionToolset):
                tools.update(toolset.tools)

        for toolset in self.toolsets:
            toolset.apply(collect)
        tool = tools.get(tool_name)
        if tool is not None:
            tool.function_schema.validator.validate_python(arguments)

    # --- running

    async def run(  # type: ignore[override]
        self,
        prompt: str,
        *,
        user: Any = None,
        deps: DepsT | None = None,
        principal: Principal | None = None,
        session: AISession | UUID | None = None,
        replaces: AgentExecution | None = None,
        policy: str | None = None,
        wait: bool = False,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> AgentResult[OutputT]:
        """Run the agent and wait for its result. Inside a tool with effects="delegate": a child of that run.

        `options`: model, message_history, model_settings, usage_limits, timeout, max_cost, max_credits, key, cache
        (seconds, or False). `wait`: go on waiting while the run waits for a person. `session`: the conversation that
        the prompt is a message of, an AISession or its id: the agent is given what was said in it before, and the run
        waits for its turn; `replaces`: its last message, to be edited or answered anew; `policy`: what becomes of a
        message that is being answered, in place of the session's own ("enqueue", "reject", "interrupt").

        Raises UnknownSession, SessionClosed and SessionBusy where the session takes no message now; ExecutionWaiting,
        ExecutionFailed or ExecutionCancelled, each with its `.execution`; BudgetExceeded where the budget does not
        reach for the first request; AgentPermissionDenied, InvalidInput and TransactionOpen before anything is stored.
        """
        from retinue.runtime.calls import run

        return await run(
            self,
            prompt,
            user=user,
            deps=deps,
            principal=principal,
            session=session,
            replaces=replaces,
            policy=policy,
            wait=wait,
            idempotency_key=idempotency_key,
            options=options,
        )

    def run_sync(  # type: ignore[override]
        self,
        prompt: str,
        *,
        user: Any = None,
        deps: DepsT | None = None,
        principal: Principal | None = None,
        session: AISession | UUID | None = None,
        replaces: AgentExecution | None = None,
        policy: str | None = None,
        wait: bool = False,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> AgentResult[OutputT]:
        """See `run`."""
        from retinue.runtime.calls import run_sync

        return run_sync(
            self,
            prompt,
            user=user,
            deps=deps,
            principal=principal,
            session=session,
            replaces=replaces,
            policy=policy,
            wait=wait,
            idempotency_key=idempotency_key,
            options=options,
        )

    def enqueue(
        self,
        prompt: str,
        *,
        user: Any = None,
        deps: DepsT | None = None,
        principal: Principal | None = None,
        session: AISession | UUID | None = None,
        replaces: AgentExecution | None = None,
        policy: str | None = None,
        idempotency_key: str | None = None,
        run_after: datetime | None = None,
        queue: str = "default",
        priority: int = 0,
        stream: bool = False,
        **options: Any,
    ) -> AgentExecution:
        """Write down that the agent is to run; a worker runs it after the caller's transaction commits.

        `session`, `replaces`, `policy` and `options` as in `run`. `run_after`: not before this time. `stream`: write
        events, which can be watched from any process. The agent must be in an `agents` module.
        """
        from retinue.runtime.calls import enqueue

        return enqueue(
            self,
            prompt,
            user=user,
            deps=deps,
            principal=principal,
            session=session,
            replaces=replaces,
            policy=policy,
            idempotency_key=idempotency_key,
            run_after=run_after,
            queue=queue,
            priority=priority,
            stream=stream,
            options=options,
        )

    async def aenqueue(self, prompt: str, **options: Any) -> AgentExecution:
        """See `enqueue`."""
        from asgiref.sync import sync_to_async

        return await sync_to_async(self.enqueue)(prompt, **options)

    def stream(
        self,
        prompt: str,
        *,
        user: Any = None,
        deps: DepsT | None = None,
        principal: Principal | None = None,
        session: AISession | UUID | None = None,
        replaces: AgentExecution | None = None,
        policy: str | None = None,
        **options: Any,
    ) -> AbstractAsyncContextManager[AgentStream[OutputT]]:
        """Run the agent and watch it: `async with agent.stream(…) as events: async for event in events: …`.

        The events are pydantic-ai's own; `events.result` is there at the end. Leaving early does not stop the run.
        """
        from retinue.runtime.streams import stream

        return stream(
            self,
            prompt,
            user=user,
            deps=deps,
            principal=principal,
            session=session,
            replaces=replaces,
            policy=policy,
            options=options,
        )

    def iter(self, *args: Any, **kwargs: Any) -> AbstractAsyncContextManager[AgentRun[DepsT, Any]]:
        """pydantic-ai's own entry, which every way of running passes. Open to the engine only."""
        if current_frame.get() is None:
            raise UserError(
                f"The agent {self.name!r} runs through run, run_sync, stream and enqueue: this way its run would have "
                "no permission, no record and no end to its cost."
            )
        return super().iter(*args, **kwargs)

    async def run_unguarded(self, prompt: str, **kwargs: Any) -> Any:
        """pydantic-ai's own `run`, for the engine."""
        return await super().run(prompt, **kwargs)


def _split(func: Callable[..., Any], options: dict[str, Any]) -> tuple[ToolPolicy, dict[str, Any]]:
    """A tool's policy, and what is left for pydantic-ai."""
    rest = dict(options)
    is_async = inspect.iscoroutinefunction(func)
    effects: Literal["database", "external", "none", "delegate"] = rest.pop("effects", None) or (
        "external" if is_async else "database"
    )
    if effects == "delegate" and not is_async:
        raise TypeError(f"The tool {func.__name__!r} delegates, so it must be an async def.")
    if rest.pop("requires_approval", False):
        rest["approval"] = True
    names = ("permission", "on_uncertain", "approval", "approval_ttl")
    policy = ToolPolicy(effects=effects, **{name: rest.pop(name) for name in names if name in rest})
    return policy, rest
