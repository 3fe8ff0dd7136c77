"""PRSM's interfaces: where requests go, how they are written, and how answers are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from retinue.providers.prsm.answers import PRSMAnswer, charge_of, quality_of, seconds_of, text_of, tokens_of
from retinue.providers.prsm.errors import InvalidResponseError
from retinue.providers.prsm.refusals import refusal

Request = tuple[str, dict[str, Any]]
"""A path and a body."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, in words that all dialects share."""

    prompt: str
    user_id: str
    context_allocation: int
    timeout: float
    session_id: str | None = None
    model: str | None = None
    """`None`: the service chooses."""
    max_tokens: int | None = None
    temperature: float | None = None


class Dialect(Protocol):
    """One of the interfaces."""

    has_sessions: ClassVar[bool]
    """Whether the service keeps conversations."""

    def query(self, question: Question) -> Request:
        """For an answer in one piece."""

    def stream(self, question: Question) -> Request | None:
        """For an answer in pieces; `None`: there is no such answer to this question."""

    def answer(self, body: dict[str, Any], measured: float, streamed: str = "") -> PRSMAnswer:
        """What was answered, in `measured` seconds. Raises PRSMError where the body says that there is no answer."""

    def event(self, name: str, body: dict[str, Any]) -> tuple[str, Any]:
        """What an event of a stream is: `("delta", text)`, `("end", …)`, `("error", …)` or anything else."""


class Guide:
    """The interface that PRSM's integration guide describes."""

    has_sessions: ClassVar[bool] = True

    def query(self, question: Question) -> Request:
        optional = {"session_id": question.session_id, "model_preference": question.model}
        return "/api/v1/query", {
            "prompt": question.prompt,
            "user_id": question.user_id,
            "context_allocation": question.context_allocation,
            "timeout": math.ceil(question.timeout),
            **_given(optional),
        }

    def stream(self, question: Question) -> Request | None:
        return "/api/v1/stream", self.query(question)[1]

    def answer(self, body: dict[str, Any], measured: float, streamed: str = "") -> PRSMAnswer:
        charge, sent = charge_of(body.get("ftns_charged"))
        return PRSMAnswer(
            final_answer=_text(body.get("final_answer"), streamed),
            ftns_charged=charge,
            ftns_charged_text=sent,
            processing_time=seconds_of(body.get("processing_time"), measured),
            quality_score=quality_of(body),
            query_id=text_of(body.get("query_id")),
            model_used=text_of(body.get("model_used")),
            tokens_used=tokens_of(body.get("metadata")),
        )

    def event(self, name: str, body: dict[str, Any]) -> tuple[str, Any]:
        if "error" in body:
            return "error", body
        kind = body.get("type")
        return ("delta", body.get("content")) if kind == "content" else (str(kind), body)


class Node:
    """The interface of a PRSM node.

    A model that is named answers by `/compute/inference`, which streams and gives a receipt with the charge.
    Where none is named, the node chooses, by `/compute/query`: in one piece, without a charge.
    """

    has_sessions: ClassVar[bool] = False

    def query(self, question: Question) -> Request:
        if question.model is not None:
            return "/compute/inference", self._inference(question)
        return "/compute/query", {
            "prompt": question.prompt,
            "timeout": math.ceil(question.timeout),
            "budget": question.context_allocation,
        }

    def stream(self, question: Question) -> Request | None:
        return None if question.model is None else ("/compute/inference/stream", self._inference(question))

    def _inference(self, question: Question) -> dict[str, Any]:
        return {
            "prompt": question.prompt,
            "model_id": question.model,
            "budget_ftns": question.context_allocation,
            **_given({"max_tokens": question.max_tokens, "temperature": question.temperature}),
        }

    def answer(self, body: dict[str, Any], measured: float, streamed: str = "") -> PRSMAnswer:
        if body.get("success") is False:
            raise refusal(None, body)
        receipt, result = _dict(body.get("receipt")), _dict(body.get("result"))
        charge, sent = charge_of(receipt.get("cost_ftns"))
        return PRSMAnswer(
            final_answer=_text(body.get("output", body.get("response")), streamed),
            ftns_charged=charge,
            ftns_charged_text=sent,
            processing_time=seconds_of(receipt.get("duration_seconds"), measured),
            quality_score=quality_of(result),
            query_id=text_of(body.get("job_id")),
            model_used=text_of(receipt.get("model_id") or result.get("model")),
            tokens_used=tokens_of(result),
        )

    def event(self, name: str, body: dict[str, Any]) -> tuple[str, Any]:
        if name == "token":
            return "delta", body.get("text_delta")
        return ("end", body) if name == "result" else (name, body)


DIALECTS: Mapping[str, Dialect] = {"guide": Guide(), "node": Node()}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, streamed: str) -> str:
    if isinstance(value, str):
        return value
    if value is None and streamed:
        return streamed
    raise InvalidResponseError
