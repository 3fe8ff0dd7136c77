"""Values as the pages show them."""

from decimal import Decimal

import pytest

from retinue.admin.formatting import amount, moment, pretty, seconds, shortened


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0004, "0 ms"), (0.25, "250 ms"), (1, "1.0 s"), (99.94, "99.9 s"), (125.4, "2 min 5 s")],
)
def test_seconds(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("cost", "tokens", "text"),
    [(Decimal(0), 0, "0"), (Decimal("0.10"), 5, "0.1"), (None, 5, "unknown"), (None, 0, "–"), (Decimal(100), 5, "100")],
)
def test_amount(cost, tokens, text):
    assert amount(cost, tokens) == text


def test_moment_of_nothing():
    assert moment(None) == "–"


def test_shortened():
    assert shortened("a\n\tb") == "a b"
    assert shortened({"ü": [1]}) == '{"ü": [1]}'
    assert shortened("x" * 11, 10) == "x" * 9 + "…"


def test_pretty():
    assert pretty("a\nb") == "a\nb"
    assert pretty({"a": "é"}) == '{\n  "a": "é"\n}'
