"""What was said and done in a run, out of its events or its journal."""

import json
from uuid import UUID

import pytest
from pydantic_core import to_json

from retinue.executions.events import Event
from retinue.executions.models import ExecutionStep
from retinue.executions.places import call_place
from retinue.executions.transcript import said, told_by_events, told_by_steps

RUN = UUID(int=1)


def step(kind, content, key=""):
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    return ExecutionStep(kind=kind, key=key, payload=payload)


def response(*parts):
    return step("model", {"parts": list(parts)})


def called(tool, call_id, args):
    return {"part_kind": "tool-call", "tool_name": tool, "tool_call_id": call_id, "args": args}


def spoken(text, kind="text"):
    return {"part_kind": kind, "content": text}


def test_steps_say_what_the_events_would():
    steps = [
        response(
            spoken("Hm.", "thinking"), spoken("I "), spoken(""), spoken("look."), called("look", "c1", '{"at": "sky"}')
        ),
        step("tool", {"return": [1]}, "tool:look@1:c1"),
        response(spoken("Blue.")),
    ]
    assert list(told_by_steps(steps)) == [
        ("thinking", {"step": 0, "offset": 0, "text": "Hm."}),
        ("text", {"step": 0, "offset": 0, "text": "I "}),
        ("text", {"step": 0, "offset": 2, "text": "look."}),
        ("tool_call", {"step": 0, "call_id": "c1", "tool": "look", "arguments": {"at": "sky"}}),
        ("tool_result", {"call_id": "c1", "tool": "look", "outcome": "success", "content": [1]}),
        ("text", {"step": 1, "offset": 0, "text": "Blue."}),
    ]


def test_arguments_that_are_no_json_come_as_they_are():
    told = list(told_by_steps([response(*(called("look", str(args), args) for args in ("{", None, {"a": 1})))]))
    assert [data["arguments"] for _, data in told] == ["{", {}, {"a": 1}]


def test_arguments_are_what_everyone_can_read():
    (told,) = told_by_steps([response(called("look", "c1", '{"at": ["\\ud83d", 1e999]}'))])
    assert told[1]["arguments"] == {"at": ["\ufffd", None]}


def test_results_say_how_the_call_ended():
    results = [{"return": 1}, {"full": {"return_value": 2, "content": "x"}}, {"retry": "Again."}, {"failed": "No."}]
    calls = [called("look", f"c{number}", {}) for number in range(len(results))]
    steps = [step("tool", result, f"tool:look@1:c{number}") for number, result in enumerate(results)]
    told = [data for kind, data in told_by_steps([response(*calls), *steps]) if kind == "tool_result"]
    assert [(data["call_id"], data["outcome"], data["content"]) for data in told] == [
        ("c0", "success", 1),
        ("c1", "success", 2),
        ("c2", "retry", "Again."),
        ("c3", "failed", "No."),
    ]


def test_result_is_that_of_the_call_at_its_place():
    """Providers use ids again, and give long ones."""
    long = "x" * 300
    steps = [
        response(called("look", "c1", {"at": 1})),
        step("tool", {"return": "first"}, "tool:look@1:c1"),
        response(called("look", "c1", {"at": 2}), called("look", long, {})),
        step("tool", {"return": "second"}, "tool:look@2:c1"),
        step("tool", {"return": "nobody's"}, "tool:look@3:c1"),
    ]
    results = [data["content"] for kind, data in told_by_steps(steps) if kind == "tool_result"]
    assert results == ["first", "second"]
    found = list(told_by_steps([*steps, step("tool", {"return": "long"}, call_place("look", 2, long))]))
    assert found[-1] == ("tool_result", {"call_id": long, "tool": "look", "outcome": "success", "content": "long"})


def test_what_cannot_be_read_is_left_out():
    steps = [step("model", b"[gone]"), response(spoken("There."), called("look", "c1", {})), step("tool", b"[gone]")]
    assert [(kind, data["step"]) for kind, data in told_by_steps(steps)] == [("text", 1), ("tool_call", 1)]
    events = [Event(RUN, "text", b"[gone]"), Event(RUN, "reset", b'{"step": 0}')]
    assert list(told_by_events(events)) == [("reset", {"step": 0})]


def text(step, offset, text):
    return "text", {"step": step, "offset": offset, "text": text}


@pytest.mark.parametrize(
    ("events", "amount"),
    [
        ([], ""),
        ([text(0, 0, "a"), text(0, 1, "b")], "ab"),
        ([text(0, 0, "a"), text(1, 0, "b")], "a\n\nb"),
        ([text(1, 0, "b"), text(0, 0, "a")], "a\n\nb"),
        ([text(0, 0, "a"), text(1, 0, "b"), ("reset", {"step": 1})], "a"),
        ([text(0, 0, "a"), text(1, 0, "b"), ("reset", {"step": 0}), text(0, 0, "c")], "c"),
        ([text(0, 0, "abc"), text(0, 1, "x")], "ax"),
        ([text(0, 0, "👩‍🚀"), text(0, 3, "!")], "👩‍🚀!"),
    ],
)
def test_text_that_events_amount_to(events, amount):
    assert said([Event(RUN, kind, to_json(data)) for kind, data in events]) == amount
