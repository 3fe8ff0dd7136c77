"""The keys of tool calls."""

import pytest

from retinue.executions.places import call_id_of, call_place, is_at, mark_key, question_key

PLACE = "tool:look@2:c1"


def test_place_says_which_call_it_is():
    assert call_place("look", 2, "c1") == call_place("look", 2, "c1", 0) == PLACE
    assert call_place("look", 2, "c1", 3) == "tool:look@2:c1:3"


def test_long_id_is_kept_short_and_apart_from_others():
    kept, cut, other = (call_place("look", 1, call_id) for call_id in ("a" * 100, "a" * 101, "a" * 100 + "b"))
    assert kept == f"tool:look@1:{'a' * 100}"
    assert len(cut) == len(other) == len("tool:look@1:") + 24
    assert cut != other


def test_keys_at_a_place():
    assert mark_key(PLACE, 0) == "tool:look@2:c1!0"
    assert (question_key(PLACE, 0), question_key(PLACE, 2)) == (PLACE, "tool:look@2:c1#2")


@pytest.mark.parametrize("key", [PLACE, f"{PLACE}:1", f"{PLACE}#2", f"{PLACE}:1#2"])
def test_key_is_at_its_call_at_every_try(key):
    assert is_at(key, PLACE)
    assert call_id_of(key, "look") == "c1"


@pytest.mark.parametrize("key", [f"{PLACE}0", "tool:look@1:c1", "tool:look@2:c2", "tool:looks@2:c1", f"{PLACE}!0"])
def test_key_of_something_else(key):
    assert not is_at(key, PLACE)
