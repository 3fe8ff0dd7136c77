"""Steps as a table."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from retinue.admin.timeline import summary, timeline


@pytest.mark.parametrize(
    ("kind", "content", "line"),
    [
        ("model", {"parts": [{"part_kind": "text", "content": "a\n b"}]}, "a b"),
        (
            "model",
            {
                "parts": [
                    {"part_kind": "thinking", "content": "hm"},
                    {"part_kind": "tool-call", "tool_name": "look", "args": '{"a": 1}'},
                    {"part_kind": "tool-call", "tool_name": "stop", "args": None},
                ]
            },
            'calls look {"a": 1}; calls stop {}',
        ),
        ("model", {"error": {"kind": "http", "status_code": 500}}, 'Failed: {"kind": "http", "status_code": 500}'),
        ("tool", {"return": None}, "null"),
        ("tool", {"return": "x" * 200}, "x" * 119 + "…"),
        ("tool", {"retry": "again"}, "Asked to try again: again"),
        ("tool", {"failed": "no"}, "Failed: no"),
        ("tool", {"files": []}, ""),
        ("started", {}, ""),
        ("tool", "redacted", ""),
        ("model", None, ""),
    ],
)
def test_summary(kind, content, line):
    assert summary(kind, content) == line


@pytest.fixture
def execution(make):
    return make()


def step(execution, key, after, duration, **values):
    began = timezone.now().replace(2026, 3, 4)
    values = {"kind": "tool", "digest": b"", "payload": b"{}", **values}
    started = began.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=after)
    return execution.steps.create(key=key, started_at=started, duration=duration, **values)


def test_bars_show_when_and_how_long(execution):
    step(execution, "a", 0, 1)
    step(execution, "b", 1, 2)
    step(execution, "c", 10, 0)
    rows = timeline(execution).rows
    assert [(row.after, row.duration, row.left, row.width) for row in rows] == [
        ("0 ms", "1.0 s", "0.00", "10.00"),
        ("1.0 s", "2.0 s", "10.00", "20.00"),
        ("10.0 s", "0 ms", "99.50", "0.50"),
    ]


def test_bars_are_numbers_in_every_language(execution, settings):
    from django.utils import translation

    step(execution, "a", 0, 1.5)
    step(execution, "b", 0.5, 0.25)
    with translation.override("de"):
        row = timeline(execution).rows[1]
    assert (row.left, row.width, row.after) == ("33.33", "16.67", "500 ms")


def test_one_instant_fills_the_bar(execution):
    step(execution, "a", 0, 0)
    (row,) = timeline(execution).rows
    assert (row.left, row.width) == ("0.00", "100.00")


def test_use_of_a_model_request(execution):
    step(execution, "m", 0, 1, kind="model", name="gpt", input_tokens=7, output_tokens=3, cost=Decimal("0.002"))
    step(execution, "n", 1, 1, kind="model", name="gpt", input_tokens=7, output_tokens=3)
    step(execution, "t", 2, 1)
    assert [(row.tokens, row.cost) for row in timeline(execution).rows] == [
        ("7 + 3", "0.002"),
        ("7 + 3", "unknown"),
        ("", ""),
    ]


def test_figures_of_a_provider_are_kept_beside_what_was_rounded(execution):
    amounts = {"cost": Decimal("0.5"), "provider_cost": "0.5", "charge": Decimal("8.1")}
    step(execution, "m", 0, 1, kind="model", input_tokens=7, provider_charge="8.100000000000000001", **amounts)
    step(execution, "n", 1, 1, kind="model", input_tokens=7, cost=Decimal("0.1"), provider_cost="0.09999999999")
    step(execution, "o", 2, 1, kind="model", input_tokens=7, charge=Decimal(0))
    assert [(row.cost, row.exact_cost, row.charge, row.exact_charge) for row in timeline(execution).rows] == [
        ("0.5", "", "8.1 credits", "8.100000000000000001"),
        ("0.1", "0.09999999999", "", ""),
        ("unknown", "", "0 credits", ""),
    ]


def test_model_is_named_with_its_provider(execution):
    step(execution, "m", 0, 1, kind="model", name="offline:default", payload=b'{"parts": []}')
    (row,) = timeline(execution).rows
    assert row.name == "offline:default"


def test_no_steps(execution):
    assert (timeline(execution).rows, timeline(execution).more) == ((), 0)
