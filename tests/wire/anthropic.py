"""Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

from tests.wire.turns import Answer

LEAD = 3
"""Events before the first delta."""
ERRORS = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}


def error(status: int) -> dict[str, Any]:
    return {"type": "error", "error": {"type": ERRORS.get(status, "api_error"), "message": "A detail for the log."}}


def answer(asked: dict[str, Any], turn: Answer) -> dict[str, Any]:
    reason = "tool_use" if turn.tool else "end_turn"
    return {**_message(asked, turn, turn.usage.output), "content": _blocks(turn), "stop_reason": reason}


def events(asked: dict[str, Any], turn: Answer) -> list[str]:
    whole = answer(asked, turn)
    found: list[dict[str, Any]] = [{"type": "message_start", "message": _message(asked, turn, 1)}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            opened, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": d} for d in turn.deltas]
        else:
            opened, deltas = {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": turn.arguments}]
        found.append({"type": "content_block_start", "index": index, "content_block": opened})
        found.append({"type": "ping"})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        found.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    found.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": turn.usage.output}})
    found.append({"type": "message_stop"})
    return [f"event: {event['type']}\ndata: {json.dumps(event)}" for event in found]


def _message(asked: dict[str, Any], turn: Answer, output_tokens: int) -> dict[str, Any]:
    usage = turn.usage
    counted = {
        "input_tokens": usage.input - usage.cached - usage.written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": usage.written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.written - usage.written_1h,
            "ephemeral_1h_input_tokens": usage.written_1h,
        },
        "output_tokens": output_tokens,
    }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": counted,
    }


def _blocks(turn: Answer) -> list[dict[str, Any]]:
    if turn.tool:
        return [{"type": "tool_use", "id": "toolu_1", "name": turn.tool, "input": json.loads(turn.arguments)}]
    return [{"type": "text", "text": turn.text}] if turn.text else []
