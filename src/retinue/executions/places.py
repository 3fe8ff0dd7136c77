"""The places of tool calls in an execution: by these their steps and the questions about them are found."""

from __future__ import annotations

import re
from hashlib import blake2b

LONGEST_CALL_ID = 100
"""What providers give is kept up to this length."""


def call_place(name: str, run_step: int, call_id: str | None, retry: int = 0) -> str:
    """The place of a tool call. `run_step`: the model request that asked for it, from 1."""
    if call_id is not None and len(call_id) > LONGEST_CALL_ID:
        call_id = blake2b(call_id.encode(errors="replace"), digest_size=12).hexdigest()
    place = f"tool:{name}@{run_step}:{call_id}"
    return f"{place}:{retry}" if retry else place


def mark_key(place: str, number: int) -> str:
    """The key of the step that says that an external call was started, for the time of that number."""
    return f"{place}!{number}"


def question_key(place: str, number: int) -> str:
    """The key of the approval that is asked for before a call's start with this number."""
    return f"{place}#{number}" if number else place


def is_at(key: str, place: str) -> bool:
    """Whether a key is that of the call at this place: of its result or of a question, at whatever try."""
    return key == place or key.startswith((f"{place}:", f"{place}#"))


def call_id_of(key: str, name: str) -> str:
    """The provider's id of a call of that tool, out of a key `tool:name@step:id[:retry][#question]`."""
    place = key.removeprefix(f"tool:{name}@").partition(":")[2]
    return re.sub(r"(:\d+)?(#\d+)?$", "", place)
