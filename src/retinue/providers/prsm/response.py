"""An answer of PRSM as a model's response."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.usage import RequestUsage

from retinue.providers.prsm.answers import PRSMAnswer

NAME = "prsm"
"""What models of PRSM are known by: `prsm:default`."""


def response(answer: PRSMAnswer, model_name: str) -> ModelResponse:
    """The whole response."""
    return ModelResponse(
        parts=[TextPart(answer.final_answer)],
        model_name=model_name,
        provider_name=NAME,
        provider_response_id=answer.query_id or None,
        provider_details=details(answer),
        usage=usage(answer),
        finish_reason="stop",
    )


def details(answer: PRSMAnswer) -> dict[str, Any]:
    """What is kept of the answer beside its text; `charge` is the text that was sent, and absent where unknown."""
    kept = {
        "quality_score": answer.quality_score,
        "processing_time": answer.processing_time,
        "query_id": answer.query_id,
        "model_used": answer.model_used,
    }
    return {"charge": answer.ftns_charged_text, **kept} if answer.ftns_charged is not None else kept


def usage(answer: PRSMAnswer) -> RequestUsage:
    """The tokens, where the service counts them: one sum, kept as output, since it does not divide it."""
    if answer.tokens_used is None:
        return RequestUsage(unmeasured_requests=1)
    return RequestUsage(output_tokens=answer.tokens_used)
