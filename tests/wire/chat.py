"""OpenAI's chat completions, which many others speak, too."""

from __future__ import annotations

import json
from typing import Any

from tests.wire.turns import Answer

LEAD = 1
"""Events before the first delta."""


def error(status: int) -> dict[str, Any]:
    return {"error": {"message": "A detail for the log.", "type": "error", "code": None, "param": None}}


def answer(asked: dict[str, Any], turn: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.tool:
        message["tool_calls"] = [_call(turn)]
    choice = {"index": 0, "message": message, "finish_reason": _reason(turn)}
    return {**_head(asked, "chat.completion"), "choices": [choice], "usage": _usage(turn)}


def events(asked: dict[str, Any], turn: Answer) -> list[str]:
    head = _head(asked, "chat.completion.chunk")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": d} for d in turn.deltas)]
    if turn.tool:
        deltas.append({"tool_calls": [{"index": 0, **_call(turn)}]})
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": _reason(turn)}]})
    if asked.get("stream_options", {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": _usage(turn)})
    return [*(f"data: {json.dumps(chunk)}" for chunk in chunks), "data: [DONE]"]


def _head(asked: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chat-1", "object": kind, "created": 1_700_000_000, "model": asked["model"]}


def _call(turn: Answer) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": turn.tool, "arguments": turn.arguments}}


def _reason(turn: Answer) -> str:
    return "tool_calls" if turn.tool else "stop"


def _usage(turn: Answer) -> dict[str, Any]:
    usage = turn.usage
    return {
        "prompt_tokens": usage.input,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
