"""Texts, judged by their words."""

from __future__ import annotations

import pytest

from retinue.providers.offline.judgement import Judgement

REVIEW = (
    "The Oslo lamp arrived quickly and looks beautiful. The light is warm and the build quality is excellent. "
    "However, the cable is too short and the switch feels cheap. Still, I love the lamp!"
)


@pytest.mark.parametrize(
    ("text", "label", "tone", "confidence"),
    [
        ("", "neutral", 0, 0.5),
        ("The parcel has arrived.", "neutral", 0, 0.5),
        ("I love it.", "positive", 1, 0.68),
        ("It is not good.", "negative", -1, 0.68),
        ("Not bad, never had problems.", "positive", 1, 0.76),
        ("No complaints, it isn't expensive.", "positive", 1, 0.76),
        ("Great lamp but it arrived broken.", "mixed", 0, 0.5),
        ("It was not cheap but it is excellent.", "positive", 1, 0.76),
        ("Sehr gute Lampe, ich bin zufrieden.", "positive", 1, 0.76),
        ("The worst purchase ever: broken, slow and useless.", "negative", -1, 0.83),
    ],
)
def test_tone(text, label, tone, confidence):
    judged = Judgement(text)
    assert (judged.label, round(judged.tone, 2), judged.confidence) == (label, tone, confidence)


def test_keywords_are_things_by_how_often_they_come():
    assert Judgement(REVIEW).keywords[:5] == ["lamp", "Oslo", "light", "build", "quality"]
    assert Judgement("Great, great!").keywords == ["great"]
    assert Judgement("").keywords == []


def test_summary_and_title():
    judged = Judgement(REVIEW)
    assert judged.summary() == "The Oslo lamp arrived quickly and looks beautiful. Still, I love the lamp!"
    assert judged.title == "The Oslo lamp arrived quickly and looks beautiful"
    assert Judgement("One. Two.").summary() == "One. Two."


def test_praise_and_blame_by_sentence():
    judged = Judgement(REVIEW)
    assert judged.sentences_of(-1) == ["However, the cable is too short and the switch feels cheap."]
    assert len(judged.sentences_of(1)) == 3


def test_explanation_names_the_words():
    assert Judgement("Great, but not cheap. Broken!").explanation == (
        "Judged by a list of words. Praise: great, not cheap. Blame: broken."
    )
    assert Judgement("A lamp.").explanation == "No word of praise or blame was found."


@pytest.mark.parametrize(
    ("text", "language"), [("The lamp is on the table", "en"), ("Die Lampe ist auf dem Tisch", "de"), ("", "en")]
)
def test_language(text, language):
    assert Judgement(text).language == language
