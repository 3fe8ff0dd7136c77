"""What some database cannot hold, or no client can read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retinue.storable import storable

HALVES = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF, categories=["Cs"])
TEXTS = st.text(st.one_of(st.characters(), HALVES, st.just("\0")))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda values: st.one_of(st.lists(values), st.dictionaries(TEXTS, values)),
)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\0b", "a\u2400b"),
        ("\ud83d", "\ufffd"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("\U0001f600 ü", "\U0001f600 ü"),
        (float("nan"), None),
        ([float("inf"), -float("inf"), 1.5], [None, None, 1.5]),
        ({"\0": {"a": ["\udfff", True, 1, None]}}, {"\u2400": {"a": ["\ufffd", True, 1, None]}}),
    ],
)
def test_storable(value, stored):
    assert storable(value) == stored


@given(VALUES)
def test_any_value_is_json_for_everybody(value):
    text = json.dumps(storable(value), ensure_ascii=False, allow_nan=False)
    assert "\\u0000" not in text
    text.encode()


@given(TEXTS)
def test_a_text_keeps_its_length(text):
    assert len(storable(text)) == len(text)
