"""The bound on a text's tokens: never under what real tokenizers make of it, and not far over it for plain prose."""

import pytest

from retinue.providers.tokens import most_tokens
from tests.providers.samples import MEASURED, TEXTS


@pytest.mark.parametrize("kind", TEXTS)
def test_bound_is_not_under_what_was_measured(kind):
    assert most_tokens(TEXTS[kind]) >= MEASURED[kind]


@pytest.mark.parametrize("kind", ["english", "german", "russian", "arabic", "json", "code", "html"])
def test_bound_is_of_use(kind):
    """A hold may be too high, but not so high that nobody can work with a small budget."""
    assert most_tokens(TEXTS[kind]) <= 2.3 * MEASURED[kind]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("the lamp", 3),  # 8 * 0.36 = 2.88
        ("2026", 5),  # 4 * 1.25
        ("LAMP", 4),  # 4 * 0.80 = 3.2
        ("лампа", 5),
        ("灯", 3),
        ("\ud800", 3),  # half of a character, as some JSON has it
    ],
)
def test_classes_of_characters(text, tokens):
    assert most_tokens(text) == tokens


def test_english_is_at_least_a_token_for_three_bytes():
    text = TEXTS["english"]
    assert most_tokens(text) >= len(text.encode()) / 3
