"""Models asked with patience, where the wire does not matter."""

import asyncio
import contextlib

import pytest
from pydantic_ai.exceptions import ModelHTTPError, ModelTimeoutError
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import FunctionModel

from retinue.errors import ModelsFailed
from retinue.providers import retries
from retinue.providers.attempts import collecting
from retinue.providers.served import ModelChain, ServedModel


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0)


class Scripted(FunctionModel):
    """Fails with these errors, one after the other, and answers then; `asked` has the settings of each request."""

    def __init__(self, *errors, waits=None, name="scripted"):
        self.errors, self.asked, self.waits = list(errors), [], waits
        super().__init__(self.answer, stream_function=self.stream, model_name=name)

    async def answer(self, messages, info):
        self.asked.append(info.model_settings)
        if self.waits is not None:
            await self.waits.wait()
        if self.errors:
            raise self.errors.pop(0)
        return ModelResponse(parts=[TextPart("yes")])

    async def stream(self, messages, info):
        await self.answer(messages, info)
        yield "yes"


class WithoutTimeout(Scripted):
    unsupported_settings = frozenset({"timeout", "max_retries"})


def served(model, **more):
    return ServedModel(model, **{"given_names": ("a",), "timeout": 60, "retries": 3, **more})


def ask(model, settings=None):
    return asyncio.run(model.request([], settings, ModelRequestParameters()))


def status(code):
    return ModelHTTPError(code, "scripted")


def test_clients_are_told_the_limit_and_to_make_no_retries():
    model = Scripted()
    ask(served(model, timeout=7))
    assert model.asked == [{"timeout": 7, "max_retries": 0}]


def test_settings_of_the_request_go_before_those_of_the_site():
    model = Scripted(status(500), status(500))
    site = served(model, settings={"temperature": 0.5, "seed": 1})
    assert site.settings == {"temperature": 0.5, "seed": 1}
    with pytest.raises(ModelHTTPError):
        ask(site, {"seed": 2, "timeout": 9, "max_retries": 1})
    assert model.asked == [{"temperature": 0.5, "seed": 2, "timeout": 9, "max_retries": 0}] * 2


def test_as_many_retries_as_were_given():
    model = Scripted(*[status(503)] * 9)
    with pytest.raises(ModelHTTPError):
        ask(served(model, retries=2))
    assert len(model.asked) == 3


def test_stream_is_opened_again():
    model = Scripted(status(429))

    async def watch():
        async with served(model).request_stream([], None, ModelRequestParameters()) as stream:
            async for _ in stream:
                pass
        return stream.get()

    assert asyncio.run(watch()).parts == [TextPart("yes")]
    assert len(model.asked) == 2


def test_client_that_knows_no_limit_is_given_one():
    async def hang():
        model = WithoutTimeout(waits=asyncio.Event())
        with contextlib.suppress(ModelTimeoutError):
            await served(model, timeout=0.01).request([], None, ModelRequestParameters())
            return "answered"
        return model.asked

    assert asyncio.run(hang()) == [{}]


def test_chain_says_which_models_failed_and_why():
    first, second = Scripted(status(401), name="first"), Scripted(status(500), status(529), name="second")
    chain = ModelChain("smart", [served(first), served(second, retries=1)])
    with collecting() as attempts, pytest.raises(ModelsFailed) as failed:
        ask(chain)
    assert str(failed.value) == (
        "No model of 'smart' answered: function:first (the key was refused), function:second (status 529)."
    )
    assert attempts == []


def test_attempt_that_may_be_billed_is_reported_with_an_unknown_price():
    first, second = Scripted(ModelTimeoutError("scripted", "A detail.", phase="read")), Scripted()
    with collecting() as attempts:
        ask(ModelChain("smart", [served(first), served(second)]))
    assert [(a.usage.input_tokens, a.price.cost, a.error) for a in attempts] == [(0, None, "no answer in time")]
    with collecting() as attempts, pytest.raises(ModelTimeoutError):
        ask(served(Scripted(ModelTimeoutError("scripted", "A detail.", phase="read"))))
    assert attempts == []  # who asked hears of it
