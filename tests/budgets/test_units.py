"""What budgets count in, and the periods that a moment lies in."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from retinue.budgets.units import LARGEST, Span, Unit, keys_at
from retinue.errors import InvalidInput

NANO = Decimal("0.000000001")


@pytest.mark.parametrize(
    ("unit", "amount", "steps"),
    [
        (Unit.USD, "0.10", 10**8),
        (Unit.USD, 5, 5 * 10**9),
        (Unit.USD, NANO, 1),
        (Unit.USD, NANO / 10, 1),  # rounded up
        (Unit.USD, -NANO / 10, -1),  # away from zero
        (Unit.CREDITS, Decimal("1.5"), 1_500_000_000),
        (Unit.TOKENS, 1000, 1000),
        (Unit.TOKENS, Decimal("1E+3"), 1000),
        (Unit.REQUESTS, "7", 7),
        (Unit.REQUESTS, 0, 0),
        (Unit.TOKENS, LARGEST, LARGEST),
    ],
)
def test_amount_in_steps(unit, amount, steps):
    assert unit.to_steps(amount) == steps


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "sNaN", float("inf"), "much", "", None, "1e30"])
def test_what_is_no_amount(unit, amount):
    with pytest.raises(InvalidInput):
        unit.to_steps(amount)


def test_sentences_about_what_is_no_amount():
    with pytest.raises(InvalidInput, match=r"^1e30 USD is more than can be counted\.$"):
        Unit.USD.to_steps("1e30")
    with pytest.raises(InvalidInput, match=r"^'NaN' is not an amount\.$"):
        Unit.USD.to_steps("NaN")
    with pytest.raises(InvalidInput, match=r"^tokens are counted in whole numbers, not in 1\.5\.$"):
        Unit.TOKENS.to_steps("1.5")
    with pytest.raises(InvalidInput):
        Unit.TOKENS.to_steps(LARGEST + 1)


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("steps", [0, 1, -1, 123_456_789_012, LARGEST])
def test_steps_and_back(unit, steps):
    assert unit.to_steps(unit.to_amount(steps)) == steps


def test_amount_for_people(settings):
    settings.RETINUE = {"CREDITS_NAME": "FTNS"}
    assert Unit.USD.describe(1_230_000_000) == "1.23 USD"
    assert Unit.CREDITS.describe(1000 * 10**9) == "1000 FTNS"
    assert Unit.TOKENS.describe(5) == "5 tokens"
    assert Unit.USD.describe(1) == "0.000000001 USD"
    assert Unit.REQUESTS.describe(0) == "0 requests"


@pytest.mark.parametrize(
    ("moment", "keys"),
    [
        ("2026-10-24T21:59:59Z", ["total", "2026-10", "2026-10-24"]),
        ("2026-10-24T22:00:00Z", ["total", "2026-10", "2026-10-25"]),  # the day of the clock change begins
        ("2026-10-25T22:59:59Z", ["total", "2026-10", "2026-10-25"]),  # and has 25 hours
        ("2026-10-25T23:00:00Z", ["total", "2026-10", "2026-10-26"]),
        ("2026-10-31T22:59:59Z", ["total", "2026-10", "2026-10-31"]),
        ("2026-10-31T23:00:00Z", ["total", "2026-11", "2026-11-01"]),
        ("2026-12-31T23:00:00Z", ["total", "2027-01", "2027-01-01"]),
        ("2027-03-27T22:59:59Z", ["total", "2027-03", "2027-03-27"]),
        ("2027-03-28T21:59:59Z", ["total", "2027-03", "2027-03-28"]),  # 23 hours
        ("2027-03-28T22:00:00Z", ["total", "2027-03", "2027-03-29"]),
    ],
)
@pytest.mark.parametrize("active", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_periods_are_those_of_the_sites_zone_whatever_zone_is_active(settings, moment, keys, active):
    settings.TIME_ZONE = "Europe/Berlin"
    with timezone.override(active):
        assert keys_at(datetime.fromisoformat(moment)) == keys


@pytest.mark.parametrize(
    ("span", "moment", "begins", "ends"),
    [
        (Span.MONTH, "2026-12-15T12:00:00Z", date(2026, 12, 1), date(2027, 1, 1)),
        (Span.MONTH, "2027-01-31T12:00:00Z", date(2027, 1, 1), date(2027, 2, 1)),
        (Span.MONTH, "2028-02-29T12:00:00Z", date(2028, 2, 1), date(2028, 3, 1)),
        (Span.DAY, "2026-12-31T12:00:00Z", date(2026, 12, 31), date(2027, 1, 1)),
        (Span.TOTAL, "2026-12-31T12:00:00Z", None, None),
    ],
)
def test_first_day_of_a_period_and_of_the_next(span, moment, begins, ends):
    now = datetime.fromisoformat(moment)
    assert (span.begins(now), span.ends(now)) == (begins, ends)
