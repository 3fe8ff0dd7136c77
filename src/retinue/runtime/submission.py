"""From a call of `run` or `enqueue` to an execution's row."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone
from pydantic_ai import UsageLimits
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models import Model
from pydantic_core import PydanticSerializationError, to_json

from retinue.agents.deps import DjangoDeps, dump_deps, to_user_id
from retinue.conf import get_settings
from retinue.errors import InvalidInput, UnknownAgent
from retinue.executions.models import AgentExecution
from retinue.executions.states import Status
from retinue.runtime.context import capture
from retinue.runtime.response_cache import checked_seconds
from retinue.sessions.models import AISession
from retinue.storable import storable
from retinue.types import Principal

if TYPE_CHECKING:
    from retinue.runtime.agent import DjangoAgent

STORED = (
    "model",
    "message_history",
    "model_settings",
    "usage_limits",
    "timeout",
    "max_cost",
    "max_credits",
    "key",
    "cache",
)
"""What `run` and `enqueue` take beside the prompt: it is stored, so that it survives a resume."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is to be run, for whom, with what: checked, and ready to be stored."""

    agent: DjangoAgent[Any, Any]
    prompt: str
    principal: Principal
    deps: DjangoDeps
    options: dict[str, Any] = field(default_factory=dict)
    """JSON values, as stored."""
    model: Model | None = None
    """A model instance, which lives only in this process."""
    session: AISession | UUID | None = None
    replaces: AgentExecution | None = None
    policy: str | None = None

    @property
    def is_joined(self) -> bool:
        """Whether the session need not be read, or there is none."""
        return self.session is None or isinstance(self.session, AISession)

    def execution(self, *, attached: bool = False, idempotency_key: str | None = None) -> AgentExecution:
        """A row for it; `attached`: it runs at once in this process, which holds its lease."""
        now, execution_id = timezone.now(), uuid.UUID(int=0)
        execution = AgentExecution(
            agent_name=self.agent.name,
            agent_digest=self.agent.digest,
            principal_type=self.principal.type,
            principal_key=self.principal.key,
            user_id=to_user_id(self.principal.key) if self.principal.is_user else None,
            input_prompt=storable(self.prompt),
            input=self.stored(),
            created_at=now,
            attached=attached,
            idempotency_key=idempotency_key,
        )
        execution_id = execution.id
        execution.root_id = execution_id
        if attached and self.session is None:
            execution.status = Status.RUNNING
            execution.started_at = now
            execution.lease_token = uuid.uuid4()
            execution.lease_expires = now + timedelta(seconds=get_settings().lease_seconds)
        return execution

    def stored(self) -> bytes:
        """Everything that was given, as JSON."""
        given: dict[str, Any] = {"prompt": self.prompt, "deps": dump_deps(self.deps), "context": capture()}
        if self.options:
            given["options"] = self.options
        if self.model is not None:
            given["model_instance"] = True
        return to_json(given)


def submission(
    agent: DjangoAgent[Any, Any],
    prompt: str,
    *,
    user: Any = None,
    deps: DjangoDeps | None = None,
    principal: Principal | None = None,
    session: AISession | UUID | None = None,
    replaces: AgentExecution | None = None,
    policy: str | None = None,
    options: Mapping[str, Any],
) -> Submission:
    """Check what was given. Raises InvalidInput or TypeError with one clear sentence."""
    unknown = set(options) - set(STORED)
    if unknown:
        raise TypeError(
            f"{', '.join(sorted(unknown))} cannot be given to a run: it would not survive a resume. "
            f"What can be: {', '.join(STORED)}."
        )
    check_prompt(prompt)
    if session is None and not (replaces is None and policy is None):
        raise TypeError("replaces= and policy= are for a message of a session: give session=, too.")
    if session is not None and options.get("message_history") is not None:
        raise TypeError("A session has its own history: give either session= or message_history=.")
    who = principal_of(user, deps, principal)
    values = {name: value for name, value in options.items() if value is not None}
    model = values.pop("model") if isinstance(values.get("model"), Model) else None
    own: DjangoDeps = deps if deps is not None else agent.deps_type()
    if not isinstance(own, agent.deps_type):
        raise TypeError(f"The deps of {agent.name!r} are {agent.deps_type.__name__}, not {type(own).__name__}.")
    if who.is_user and own.user_id is None:
        own = replace(own, user_id=to_user_id(who.key))
    if who.is_user and str(own.user_id) != who.key:
        raise InvalidInput(f"The run acts for the user {who.key}, but its deps name the user {own.user_id}.")
    return Submission(
        agent=agent,
        prompt=prompt,
        principal=who,
        deps=own,
        options=_stored(values),
        model=model,
        session=session,
        replaces=replaces,
        policy=policy,
    )


def check_prompt(prompt: Any) -> None:
    limit = get_settings().max_prompt_chars
    if not isinstance(prompt, str):
        raise TypeError(f"A prompt is a text, not a {type(prompt).__name__}.")
    if not prompt.strip():
        raise InvalidInput("The prompt is empty.")
    if len(prompt) > limit:
        raise InvalidInput(f"The prompt has {len(prompt):,} characters; at most {limit:,} are allowed.")


def principal_of(user: Any, deps: DjangoDeps | None, principal: Principal | None) -> Principal:
    """For whom a run acts; it must be said in exactly one way."""
    if principal is not None:
        return principal
    if user is not None:
        if getattr(user, "pk", None) is None:
            raise InvalidInput("An anonymous user cannot run an agent; a site may name a guest by principal=.")
        return Principal.of(user)
    if deps is not None and deps.user_id is not None:
        return Principal(type="user", key=str(to_user_id(deps.user_id)))
    raise TypeError("A run must say for whom it acts: give user=, deps= with a user_id, or principal=.")


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    try:
        if "message_history" in values:
            values["message_history"] = ModelMessagesTypeAdapter.dump_python(values["message_history"], mode="json")
        if isinstance(values.get("usage_limits"), UsageLimits):
            values["usage_limits"] = {k: v for k, v in asdict(values["usage_limits"]).items() if v is not None}
        checked_seconds(values.get("cache"))
        for name in ("max_cost", "max_credits"):
            if name in values:
                values[name] = str(Decimal(str(values[name])))
        to_json(values)
    except (PydanticSerializationError, ArithmeticError) as error:
        raise InvalidInput(f"What was given to the run cannot be stored as JSON: {error}") from error
    return values


def wanted_of(agent_name: str) -> tuple[str, ...]:
    """The permissions that a registered agent and its tools ask for."""
    from retinue.agents.registry import get_agent

    try:
        return get_agent(agent_name).wanted
    except UnknownAgent:
        return ()
