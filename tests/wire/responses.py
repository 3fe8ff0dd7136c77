"""OpenAI's Responses API."""

from __future__ import annotations

import json
from typing import Any

from tests.wire.turns import Answer

LEAD = 3
"""Events before the first delta."""


def error(status: int) -> dict[str, Any]:
    return {"error": {"message": "A detail for the log.", "type": "error", "code": None, "param": None}}


def answer(asked: dict[str, Any], turn: Answer) -> dict[str, Any]:
    usage = turn.usage
    counted = {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input + usage.output,
    }
    return {**_response(asked), "status": "completed", "output": _items(turn), "usage": counted}


def events(asked: dict[str, Any], turn: Answer) -> list[str]:
    whole = answer(asked, turn)
    found: list[dict[str, Any]] = [{"type": "response.created", "response": _response(asked)}]
    for item in whole["output"]:
        opened = {**item, "content": []} if item["type"] == "message" else {**item, "arguments": ""}
        found.append({"type": "response.output_item.added", "output_index": 0, "item": opened})
        place = {"item_id": item["id"], "output_index": 0}
        if item["type"] == "message":
            place["content_index"] = 0
            part = item["content"][0]
            found.append({"type": "response.content_part.added", **place, "part": {**part, "text": ""}})
            found += [{"type": "response.output_text.delta", **place, "delta": d, "logprobs": []} for d in turn.deltas]
            found.append({"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []})
            found.append({"type": "response.content_part.done", **place, "part": part})
        else:
            found.append({"type": "response.function_call_arguments.delta", **place, "delta": turn.arguments})
            found.append({"type": "response.function_call_arguments.done", **place, "arguments": turn.arguments})
        found.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    found.append({"type": "response.completed", "response": whole})
    return [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}"
        for number, event in enumerate(found)
    ]


def _response(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "in_progress",
        "model": f"{asked['model']}-2025-08-07",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": "default",
        "usage": None,
    }


def _items(turn: Answer) -> list[dict[str, Any]]:
    if turn.tool:
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
        return [{**call, "name": turn.tool, "arguments": turn.arguments}]
    if not turn.text:
        return []
    part = {"type": "output_text", "text": turn.text, "annotations": []}
    return [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}]
