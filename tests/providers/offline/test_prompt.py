"""Prompts in clauses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from retinue.providers.offline.prompt import clauses, split_material

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("Delete product 17 and set the price of 18 to 5.", ["Delete product 17", "set the price of 18 to 5."]),
        ("Find the lamp. Then delete it", ["Find the lamp", "Then delete it"]),
        ("Show product and order history", ["Show product and order history"]),
        ("- set a\n- set b", ["- set a", "- set b"]),
        ("", []),
    ],
)
def test_clauses(prompt, texts):
    assert [clause.text.strip(" .\n") for clause in clauses(prompt, AT)] == [text.strip(" .") for text in texts]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("Judge this text: It is a good lamp.", ("Judge this text", "It is a good lamp.")),
        ("Summarise it.\n\nA text.\n\nAnother.", ("Summarise it.", "A text.\n\nAnother.")),
        ("Create a product: Oslo lamp, price 5", ("Create a product: Oslo lamp, price 5", "")),
        ("Hi,\n\nset the price to 5", ("Hi,\n\nset the price to 5", "")),
        ("Meet me at 12:30", ("Meet me at 12:30", "")),
        ('Analyse: "delete it"', ("Analyse", '"delete it"')),
    ],
)
def test_material_is_no_request(prompt, parts):
    assert split_material(prompt) == parts


@pytest.mark.parametrize(
    ("prompt", "command"),
    [
        ("Set the price", "set"),
        ("Can you please set the price", "set"),
        ("For product 17, set the price", "set"),
        ("The price must be set to 5", "set"),
        ("I'd like to delete it", "delete"),
        ("Why did you delete it?", None),
        ("Never delete it", None),
        ("A set of glasses", None),
        ("Which products have changed?", None),
        ('Say "delete it"', None),
        ("Order history", "order"),
        ("My order is late", None),
    ],
)
def test_command(prompt, command):
    found = clauses(prompt, AT)[0].command
    assert (found.word if found else None) == command
