"""What tools are given beside their arguments, and what is kept of it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import RequestFactory
from pydantic import BaseModel, ValidationError

from retinue import DjangoDeps, Principal
from retinue.agents.deps import RequestSnapshot, dump_deps, load_deps, reset_call_key, set_call_key
from retinue.errors import InvalidInput


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Address(BaseModel):
    city: str
    since: date


@dataclass
class Box:
    width: int
    content: list[str]


@dataclass(kw_only=True)
class ShopDeps(DjangoDeps):
    shop: UUID
    price: Decimal = Decimal(0)
    opened: date | None = None
    seen: datetime | None = None
    pause: timedelta = timedelta()
    size: Size = Size.SMALL
    address: Address | None = None
    boxes: list[Box] = field(default_factory=list)
    by_name: dict[str, Address] = field(default_factory=dict)
    pair: tuple[int, str] = (0, "")
    tags: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class MoreDeps(ShopDeps):
    count: int = 3
    made: dict[str, int] = field(default_factory=dict, init=False)


def stored_and_loaded(deps):
    """As it is after a resume: through JSON text."""
    return load_deps(type(deps), json.loads(json.dumps(dump_deps(deps))))


def test_every_field_comes_back_with_its_type():
    deps = ShopDeps(
        user_id=7,
        context={"page": 2, "filters": ["a", None, 1.5, True]},
        shop=uuid4(),
        price=Decimal("12.30"),
        opened=date(2020, 2, 29),
        seen=datetime.fromisoformat("2026-01-02T03:04:05.678901+02:00"),
        pause=timedelta(hours=1, microseconds=5),
        size=Size.LARGE,
        address=Address(city="Köln", since=date(2000, 1, 1)),
        boxes=[Box(1, ["a"]), Box(2, [])],
        by_name={"x": Address(city="x", since=date(2001, 1, 1))},
        pair=(3, "z"),
        tags={"b", "a"},
    )
    assert stored_and_loaded(deps) == deps


def test_defaults_come_back():
    deps = ShopDeps(shop=uuid4())
    assert stored_and_loaded(deps) == deps


def test_subclass_of_a_subclass():
    deps = MoreDeps(shop=uuid4(), price=Decimal("0.1"), count=4)
    assert stored_and_loaded(deps) == deps


def test_none_in_place_of_a_default_comes_back():
    @dataclass(kw_only=True)
    class Deps(DjangoDeps):
        limit: int | None = 10

    assert stored_and_loaded(Deps(limit=None)).limit is None


def test_empty_in_place_of_a_default_comes_back():
    @dataclass(kw_only=True)
    class Deps(DjangoDeps):
        options: dict[str, int] = field(default_factory=lambda: {"a": 1})

    assert stored_and_loaded(Deps(options={})).options == {}


def test_little_is_stored_of_plain_deps():
    assert dump_deps(DjangoDeps()) == {}
    assert dump_deps(DjangoDeps(user_id=7)) == {"user_id": 7}


@pytest.mark.parametrize(("name", "value"), [("context", {"a": object()}), ("user_id", object())])
def test_what_cannot_be_stored_is_refused_by_its_name(name, value):
    with pytest.raises(InvalidInput, match=rf"DjangoDeps\.{name} cannot be stored as JSON"):
        dump_deps(DjangoDeps(**{name: value}))


def test_stored_value_that_does_not_fit_any_more():
    """The code changed while the run was away."""
    with pytest.raises(ValidationError):
        load_deps(ShopDeps, {"shop": "not a uuid"})


# --- the request


@pytest.fixture
def request_():
    request = RequestFactory(headers={"user-agent": "x" * 600, "cookie": "sessionid=secret"}).post(
        "/shop/?token=secret", {"password": "secret"}, REMOTE_ADDR="10.0.0.1"
    )
    request.LANGUAGE_CODE = "de"
    return request


def test_only_what_is_safe_is_kept_of_a_request(request_):
    stored = dump_deps(DjangoDeps(request=request_))
    assert stored == {
        "request": {
            "method": "POST",
            "path": "/shop/",
            "language": "de",
            "remote_addr": "10.0.0.1",
            "user_agent": "x" * 500,
        }
    }
    assert "secret" not in json.dumps(stored)


def test_snapshot_says_what_it_has_not(request_):
    request = stored_and_loaded(DjangoDeps(request=request_)).request
    assert isinstance(request, RequestSnapshot)
    assert (request.method, request.path, request.language) == ("POST", "/shop/", "de")
    with pytest.raises(AttributeError, match=r"request\.META is not stored .* has method, path, language"):
        _ = request.META
    with pytest.raises(AttributeError, match=r"request\.user is not stored"):
        _ = request.user
    assert not hasattr(request, "__len__")


def test_snapshot_is_stored_again_as_it_is(request_):
    once = stored_and_loaded(DjangoDeps(request=request_))
    assert stored_and_loaded(once) == once


def test_snapshot_can_be_copied_and_pickled(request_):
    import copy
    import pickle

    snapshot = RequestSnapshot.of(request_)
    assert copy.deepcopy(snapshot) == snapshot == pickle.loads(pickle.dumps(snapshot))  # noqa: S301


# --- the run it belongs to


def test_bound_to_an_execution():
    deps = DjangoDeps(user_id=7)
    own = deps.copy()
    execution_id = uuid4()
    assert own.bind(Principal(type="user", key="7"), "clerk", execution_id) is own
    assert (own.agent_name, own.execution_id, own.principal.key) == ("clerk", execution_id, "7")
    assert (deps.agent_name, deps.execution_id, deps.principal.is_system) == ("", None, True)
    assert own.copy().execution_id is None


def test_copy_of_a_subclass_keeps_its_fields():
    deps = ShopDeps(shop=uuid4(), tags={"a"})
    assert deps.copy() == deps and deps.copy() is not deps


def test_idempotency_key_is_of_the_execution_and_the_call():
    def key(execution_id, call):
        deps = DjangoDeps().bind(Principal(type="system"), "a", execution_id)
        token = set_call_key(call)
        try:
            return deps.idempotency_key
        finally:
            reset_call_key(token)

    one, other = uuid4(), uuid4()
    assert key(one, "tool:a@1:c1") == key(one, "tool:a@1:c1")
    assert len({key(one, "tool:a@1:c1"), key(one, "tool:a@1:c2"), key(other, "tool:a@1:c1")}) == 3


@pytest.mark.django_db
def test_user_is_read_once(user, django_assert_num_queries):
    deps = DjangoDeps(user_id=user.pk)
    with django_assert_num_queries(1):
        assert deps.user == user
        assert deps.user is deps.user


@pytest.mark.django_db(transaction=True)
def test_user_in_async_code(user):
    deps = DjangoDeps(user_id=user.pk)

    async def go():
        return await asyncio.gather(deps.get_user(), deps.get_user())

    assert async_to_sync(go)() == [user, user]


@pytest.mark.django_db
def test_no_user():
    assert DjangoDeps().user is None
    assert DjangoDeps(user_id=4711).user is None
    assert async_to_sync(DjangoDeps().get_user)() is None


@pytest.mark.django_db
def test_user_is_not_carried_over_to_a_copy(user):
    deps = DjangoDeps(user_id=user.pk)
    assert deps.user == user
    assert deps.copy().__dict__.get("_user") is None
