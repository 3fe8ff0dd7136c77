"""What an agent's tools are given beside their arguments."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, ClassVar, Self, get_type_hints
from uuid import UUID

from django.http import HttpRequest

from retinue.errors import InvalidInput
from retinue.types import SYSTEM, Principal

_call_key: ContextVar[str] = ContextVar("retinue_call_key", default="")


def set_call_key(key: str) -> Any:
    """Say which call runs now; returns the token to reset it with."""
    return _call_key.set(key)


def reset_call_key(token: Any) -> None:
    _call_key.reset(token)


@dataclass(frozen=True, kw_only=True)
class RequestSnapshot:
    """What is kept of a request: what is safe to store."""

    method: str = ""
    path: str = ""
    language: str = ""
    remote_addr: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, request: HttpRequest | RequestSnapshot) -> RequestSnapshot:
        if isinstance(request, RequestSnapshot):
            return request
        return cls(
            method=request.method or "",
            path=request.path,
            language=getattr(request, "LANGUAGE_CODE", ""),
            remote_addr=request.META.get("REMOTE_ADDR", ""),
            user_agent=request.headers.get("user-agent", "")[:500],
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kept = ", ".join(f.name for f in fields(self))
        raise AttributeError(
            f"request.{name} is not stored with an execution; a run that goes on elsewhere has {kept}."
        )


OPTIONAL = frozenset({"user_id", "request", "context"})
"""Not stored where there is nothing to store."""


@dataclass(kw_only=True)
class DjangoDeps:
    """For whom a run acts, the request it came from, and a context of JSON values.

    A subclass may add fields that are JSON-serialisable: on resume the whole is rebuilt from what was stored.
    """

    user_id: Any = None
    request: HttpRequest | RequestSnapshot | None = None
    context: dict[str, Any] = field(default_factory=dict)

    principal: ClassVar[Principal] = SYSTEM
    agent_name: ClassVar[str] = ""
    execution_id: ClassVar[UUID | None] = None
    _user: ClassVar[Any] = None

    def copy(self) -> Self:
        """The same deps, not yet bound to an execution."""
        return replace(self)

    def bind(self, principal: Principal, agent_name: str, execution_id: UUID) -> Self:
        """Say to which execution these belong. The engine does, on a copy of its own."""
        self.__dict__.update(principal=principal, agent_name=agent_name, execution_id=execution_id)
        return self

    @property
    def idempotency_key(self) -> str:
        """A key of this very call, the same however often it is repeated: for services that take one."""
        place = f"{self.execution_id}/{_call_key.get()}"
        return blake2b(place.encode(), digest_size=16).hexdigest()

    @property
    def user(self) -> Any:
        """The user, or None. Reads the database, once; in async code use `await get_user()`."""
        if self._user is None and self.user_id is not None:
            from django.contrib.auth import get_user_model

            self.__dict__["_user"] = get_user_model()._default_manager.filter(pk=self.user_id).first()
        return self._user

    async def get_user(self) -> Any:
        """See `user`."""
        if self._user is None and self.user_id is not None:
            from asgiref.sync import sync_to_async

            return await sync_to_async(lambda: self.user)()
        return self._user


def dump_deps(deps: DjangoDeps) -> dict[str, Any]:
    """What is stored of the deps. Raises InvalidInput where a field cannot be."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    stored: dict[str, Any] = {}
    for item in fields(deps):
        value = getattr(deps, item.name)
        if item.name == "request" and value is not None:
            value = RequestSnapshot.of(value)
        if not item.init or (item.name in OPTIONAL and value in (None, {})):
            continue
        try:
            stored[item.name] = to_jsonable_python(value)
        except PydanticSerializationError as error:
            raise InvalidInput(
                f"{type(deps).__name__}.{item.name} cannot be stored as JSON, so a run could not be resumed: {error}"
            ) from error
    return stored


def load_deps(deps_type: type[DjangoDeps], stored: dict[str, Any]) -> DjangoDeps:
    """Deps rebuilt from what was stored."""
    values = dict(stored)
    if (request := values.get("request")) is not None:
        values["request"] = RequestSnapshot(**request)
    if (user_id := values.get("user_id")) is not None:
        values["user_id"] = to_user_id(user_id)
    kind: Any = deps_type
    adapters = _adapters(kind)
    for name, adapter in adapters.items():
        if name in values:
            values[name] = adapter.validate_python(values[name])
    return deps_type(**values)


def to_user_id(value: Any) -> Any:
    """A user's primary key, of the type that the user model has."""
    from django.contrib.auth import get_user_model

    return get_user_model()._meta.pk.to_python(value)


@lru_cache(maxsize=128)
def _adapters(deps_type: Any) -> dict[str, Any]:
    """Validators of a subclass's own fields."""
    own = {f.name for f in fields(deps_type)} - {f.name for f in fields(DjangoDeps)}
    if not own:
        return {}
    from pydantic import TypeAdapter

    hints = get_type_hints(deps_type)
    return {name: TypeAdapter(hints[name]) for name in own}
