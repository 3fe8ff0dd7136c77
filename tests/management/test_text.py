"""Values as a terminal shows them."""

from decimal import Decimal

import pytest

from retinue.management.text import answer_text, called, duration, paid, printable, shortened


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3700, "1 h 1 min"),
        (86399.9, "1 d"),
        (90000, "1 d 1 h"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("cost", "charge", "text"),
    [
        (None, None, "cost unknown"),
        (Decimal(0), None, "0 USD"),
        (Decimal(0), Decimal(0), "0 USD"),
        (Decimal("0.001230000"), Decimal("0.123"), "0.00123 USD, 0.123 credits"),
        (Decimal(100), None, "100 USD"),
        (None, Decimal("8.10"), "8.1 credits"),
        (None, Decimal(0), "0 credits"),
    ],
)
def test_paid(cost, charge, text):
    assert paid(cost, charge) == text


def test_credits_have_the_name_that_the_site_gives_them(settings):
    settings.RETINUE = {"CREDITS_NAME": "FTNS"}
    assert paid(Decimal(1), Decimal(100)) == "1 USD, 100 FTNS"


def test_printable_keeps_lines_and_tabs():
    assert printable("a\n\tb\x1b[31m\r\x9b") == "a\n\tb\ufffd[31m\ufffd\ufffd"


def test_shortened_is_one_line():
    assert shortened("a\n  b") == "a b"
    assert shortened({"a": Decimal("1.5")}) == '{"a": "1.5"}'
    assert shortened("x" * 11, width=10) == f"{'x' * 9}…"
    assert shortened("x" * 10, width=10) == "x" * 10


def test_called_reads_like_python():
    assert called("set_price", {"name": "é", "price": 1.5, "tags": []}) == 'set_price(name="é", price=1.5, tags=[])'
    assert called("look", {}) == "look()"


def test_answer_text():
    assert answer_text("a\nb") == "a\nb"
    assert answer_text({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'
    assert answer_text(None) == "null"
