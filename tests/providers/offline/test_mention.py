"""Literal values in texts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from retinue.providers.offline.mention import mentions, number

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("€ 12.50", [("money", 12.5)]),
        ("12,50 €", [("money", 12.5)]),
        ("$1,299.00 or 5 euros", [("money", 1299), ("money", 5)]),
        ("10 % and 2.5 percent", [("percent", 10), ("percent", 2.5)]),
        ("#17, no. 18, id 19", [("hash", 17), ("hash", 18), ("hash", 19)]),
        ("-1, 2 and three", [("number", -1), ("number", 2), ("number", 3)]),
        ("A-1001 and SKU-12", [("code", "A-1001"), ("code", "SKU-12")]),
        ("\"one\", “two”, ‘three’ and 'four'", [("quote", q) for q in ("one", "two", "three", "four")]),
        ("the lamp's cable isn't long", []),
        ("ann@example.com", [("email", "ann@example.com")]),
        ("see https://example.org/a?b=1.", [("url", "https://example.org/a?b=1")]),
        ("0031b76f-594e-4d59-9123-878cb052852f", [("uuid", "0031b76f-594e-4d59-9123-878cb052852f")]),
        ("heron-floor-lamp", [("slug", "heron-floor-lamp")]),
        ("2026-03-04 and 4.3.2026", [("date", "2026-03-04"), ("date", "2026-03-04")]),
        ("4 March 2026, Mar 4, 2026", [("date", "2026-03-04"), ("date", "2026-03-04")]),
        ("2026-02-30", []),
        ("today, tomorrow, in 3 days", [("date", d) for d in ("2026-03-01", "2026-03-02", "2026-03-04")]),
        ("2026-03-04 09:30", [("datetime", "2026-03-04T09:30")]),
        ("at 09:30", [("time", "09:30")]),
    ],
)
def test_mentions(text, found):
    assert [(m.kind, m.value) for m in mentions(text, AT)] == found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,299.50", 1299.5),
        ("1.299,50", 1299.5),
        ("1.299.000", 1299000),
        ("1,000", 1000),
        ("12,5", 12.5),
        ("12.50", 12.5),
        ("12.00", 12),
        ("1'000", 1000),
        ("none", None),
    ],
)
def test_number(text, value):
    assert number(text) == value
