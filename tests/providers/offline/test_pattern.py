"""Texts for regular expressions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retinue.providers.offline.pattern import example, matches


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^[A-Z]{3}-\d{4}$", "AAA-0000"),
        (r"^(low|high)$", "low"),
        (r"^\+?[1-9]\d{1,14}$", "10"),
        (r"^[^@\s]+@[^@\s]+$", "a@a"),
        (r"\d", "0"),
        (r"", ""),
        (r"^\D\W\S$", "a-a"),
        (r"^(?:ab){2}c?$", "abab"),
        (r"^(?=a)b", None),
        (r"(", None),
    ],
)
def test_example(pattern, text):
    assert example(pattern) == text


def test_example_keeps_to_lengths():
    assert example(r"^[a-z]+$", 5, 8) == "aaaaa"
    assert example(r"^[a-z]{2}$", 5, 8) is None


@pytest.mark.filterwarnings("ignore:Possible")  # such patterns mean something else in other languages
@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab0-.*+?[](){}|^$\\dw,2 "), max_size=12))
def test_example_matches_or_is_none(pattern):
    text = example(pattern)
    assert text is None or re.search(pattern, text)
    assert matches(pattern, "a") in (True, False)
