"""A client of PRSM's HTTP interface."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import httpx2

from retinue import __version__
from retinue.errors import InvalidInput
from retinue.providers.prsm.answers import PRSMAnswer, PRSMSession, loads, text_of
from retinue.providers.prsm.dialects import DIALECTS, Question, Request
from retinue.providers.prsm.errors import (
    InvalidResponseError,
    NetworkError,
    NotSupportedError,
    OutcomeUnknownError,
    PRSMError,
)
from retinue.providers.prsm.refusals import refusal
from retinue.providers.prsm.retries import Retries
from retinue.providers.prsm.settings import PRSMSettings, get_prsm_settings

logger = logging.getLogger("retinue.prsm")

DEFAULT_ALLOCATION = 50
"""FTNS that a query may cost unless it says otherwise."""
PING_SECONDS = 5.0
MOST_EVENT_BYTES = 16 * 1024 * 1024
_NOTHING_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)


class Options(TypedDict, total=False):
    """What else a query may say."""

    model: str | None
    timeout: float | None
    """Seconds that one attempt may take."""
    max_tokens: int | None
    temperature: float | None


class PRSMClient:
    """Asks a PRSM service. Use it in one event loop, as an async context manager, or close it with `aclose`.

    What is not given comes from `RETINUE["PRSM"]` and the environment; ConfigurationError where it is missing
    there, too. `timeout` is in seconds and holds for one attempt; `first_pause` is how long the first retry
    waits where the service does not say. Every method but `ping` raises PRSMError.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        dialect: str | None = None,
        first_pause: float = 0.5,
    ) -> None:
        own = {"base_url": base_url, "api_key": api_key, "default_timeout": timeout}
        own |= {"max_retries": max_retries, "dialect": dialect}
        own = {key: value for key, value in own.items() if value is not None}
        settings = PRSMSettings(**{**vars(get_prsm_settings()), **own}).completed()
        self.timeout = settings.default_timeout
        self._dialect = DIALECTS[settings.dialect]
        self._retries = Retries(most=settings.max_retries, first_pause=first_pause)
        self._key = settings.api_key or ""
        self._http = _http(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def query(
        self,
        prompt: str,
        user_id: str,
        context_allocation: int = DEFAULT_ALLOCATION,
        session_id: str | None = None,
        **options: Unpack[Options],
    ) -> PRSMAnswer:
        """The answer to a prompt. `context_allocation`: whole FTNS that it may cost."""
        return await self._answer(self._question(prompt, user_id, context_allocation, session_id, options))

    async def stream(
        self,
        prompt: str,
        user_id: str,
        context_allocation: int = DEFAULT_ALLOCATION,
        session_id: str | None = None,
        **options: Unpack[Options],
    ) -> AsyncGenerator[str | PRSMAnswer]:
        """The answer in pieces as they come, and at last the whole of it. See `query`."""
        question = self._question(prompt, user_id, context_allocation, session_id, options)
        request = self._dialect.stream(question)
        if request is None:
            answer = await self._answer(question)
            yield answer.final_answer
            yield answer
            return
        response, began = await self._opened(request, question.timeout)
        async with aclosing(response), aclosing(self._pieces(response, began)) as pieces:
            async for piece in pieces:
                yield piece

    async def create_session(
        self, user_id: str, initial_context: dict[str, Any] | None = None, session_timeout: int | None = None
    ) -> PRSMSession:
        """A conversation that the service keeps, for `query(session_id=…)`. `session_timeout` is in seconds."""
        if not self._dialect.has_sessions:
            raise NotSupportedError
        body: dict[str, Any] = {"user_id": user_id, "initial_context": initial_context or {}}
        if session_timeout is not None:
            body["session_timeout"] = session_timeout
        response, _ = await self._opened(("/api/v1/sessions", body), self.timeout)
        made = await self._body(response)
        session_id, context = text_of(made.get("session_id")), made.get("context")
        if not session_id:
            raise InvalidResponseError
        return PRSMSession(
            session_id=session_id,
            user_id=text_of(made.get("user_id")),
            created_at=text_of(made.get("created_at")),
            expires_at=text_of(made.get("expires_at")),
            context=context if isinstance(context, dict) else {},
        )

    async def ping(self) -> bool:
        """Whether the service says that it works. One that is degraded does; a warning is logged."""
        try:
            response = await self._http.get("/health", timeout=min(self.timeout, PING_SECONDS))
            status = loads(response.content).get("status") if response.status_code == 200 else None
        except (httpx2.RequestError, InvalidResponseError):
            return False
        if status == "degraded":
            logger.warning("PRSM says that it is degraded.")
        return status in ("healthy", "ok", "degraded")

    def _question(
        self, prompt: str, user_id: str, allocation: int, session_id: str | None, options: Options
    ) -> Question:
        if not is_whole(allocation):
            raise InvalidInput("PRSM's context_allocation is a whole number of FTNS, at least 1.")
        if session_id is not None and not self._dialect.has_sessions:
            raise NotSupportedError
        return Question(
            prompt=prompt,
            user_id=user_id,
            context_allocation=allocation,
            timeout=options.get("timeout") or self.timeout,
            session_id=session_id,
            model=options.get("model"),
            max_tokens=options.get("max_tokens"),
            temperature=options.get("temperature"),
        )

    async def _answer(self, question: Question) -> PRSMAnswer:
        response, began = await self._opened(self._dialect.query(question), question.timeout)
        body = await self._body(response)
        with self._errors():
            return self._dialect.answer(body, time.monotonic() - began)

    async def _opened(self, request: Request, timeout: float) -> tuple[httpx2.Response, float]:
        """The response to a request, not yet read, and when the attempt that brought it began."""
        made = 0
        while True:
            began = time.monotonic()
            try:
                return await self._attempt(request, timeout), began
            except PRSMError as error:
                pause = self._retries.pause(error, made)
                if pause is None:
                    raise
                logger.info("%s Retry %d follows in %.3g s.", error, made + 1, pause)
            made += 1
            await asyncio.sleep(pause)

    async def _attempt(self, request: Request, timeout: float) -> httpx2.Response:
        path, body = request
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        # In ASCII, which writes down any text: half a surrogate pair, too.
        content = json.dumps(body).encode()
        with self._errors():
            made = self._http.build_request("POST", path, content=content, headers=headers, timeout=timeout)
            response = await self._http.send(made, stream=True)
            if response.is_success:
                return response
            raise refusal(response.status_code, await self._reason(response), response.headers)

    async def _reason(self, response: httpx2.Response) -> dict[str, Any]:
        """What a refusal says; nothing where it is a page of some proxy, say, or breaks off."""
        try:
            return await self._body(response)
        except PRSMError:
            return {}

    async def _body(self, response: httpx2.Response) -> dict[str, Any]:
        async with aclosing(response):
            with self._errors():
                return loads(await response.aread())

    async def _pieces(self, response: httpx2.Response, began: float) -> AsyncGenerator[str | PRSMAnswer]:
        streamed, start = "", {}
        with self._errors():
            async for event in httpx2.EventSource(response, max_event_size=MOST_EVENT_BYTES):
                if not event.data:
                    continue
                kind, value = self._dialect.event(event.event, loads(event.data))
                if kind == "delta" and isinstance(value, str):
                    streamed += value
                    yield value
                elif kind == "start":
                    start = value
                elif kind == "error":
                    raise refusal(None, value)
                elif kind == "end":
                    answer = self._dialect.answer({**start, **value}, time.monotonic() - began, streamed)
                    if answer.final_answer.startswith(streamed) and answer.final_answer != streamed:
                        yield answer.final_answer[len(streamed) :]
                    yield answer
                    return
        raise OutcomeUnknownError

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Broken connections and time-outs as our own errors; no error has the key, which a service may repeat."""
        try:
            yield
        except _NOTHING_SENT as error:
            raise NetworkError from error
        except httpx2.SSEError as error:
            raise InvalidResponseError from error
        except httpx2.RequestError as error:
            raise OutcomeUnknownError from error
        except PRSMError as error:
            error.details = _without(error.details, self._key) if self._key else error.details
            raise


def is_whole(value: Any) -> bool:
    """Whether a value can be an allocation."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _http(settings: PRSMSettings) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=settings.base_url or "",
        timeout=settings.default_timeout,
        headers={"user-agent": f"django-retinue/{__version__}"},
        # Those who call bound how many ask at once; a request that waits for a connection would time out.
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
    )


def _without(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace(secret, "…")
    if isinstance(value, dict):
        return {_without(key, secret): _without(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, secret) for item in value]
    return value
