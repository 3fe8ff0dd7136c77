"""Which of several texts that a field may hold fits what is known."""

from __future__ import annotations

from collections.abc import Sequence

from retinue.providers.offline.material import Material
from retinue.providers.offline.text import name_concepts, name_words, tokens
from retinue.providers.offline.words import word_set

_SPARE = ("other", "unknown", "none", "general", "misc", "neutral", "normal", "medium", "n/a", "unclear")
_POLES = {
    "positive": word_set("positive pos good happy favourable favorable satisfied"),
    "negative": word_set("negative neg bad unhappy unfavourable unfavorable dissatisfied"),
    "neutral": frozenset({"neutral", "neu", "indifferent", "ok", "average"}),
    "mixed": frozenset({"mixed", "ambivalent"}),
}
_LEVELS = ("lowest", "low", "minor", "normal", "medium", "moderate", "high", "major", "urgent", "critical")


def chosen(name: str, texts: Sequence[str], material: Material) -> str | None:
    """The one that fits best: by tone, language or urgency, by what is mentioned, or one that says nothing."""
    for pick in (_pole, _language, _level, mentioned):
        found = pick(name, texts, material)
        if found is not None:
            return found
    return next((text for text in texts if text.lower() in _SPARE), None)


def _pole(name: str, texts: Sequence[str], material: Material) -> str | None:
    poles = {pole: text for text in reversed(texts) for pole, words in _POLES.items() if text.lower() in words}
    if "positive" not in poles or "negative" not in poles:
        return None
    label = material.judgement.label
    if label == "mixed" and label not in poles:
        label = "neutral"
    return poles.get(label) or poles["positive" if material.judgement.tone >= 0 else "negative"]


def _language(name: str, texts: Sequence[str], material: Material) -> str | None:
    names = {"de": ("de", "german", "deutsch"), "en": ("en", "english")}[material.judgement.language]
    known = "language" in name or "lang" in name_words(name)
    return next((text for text in texts if text.lower() in names), None) if known else None


def _level(name: str, texts: Sequence[str], material: Material) -> str | None:
    levels = [text for text in texts if text.lower() in _LEVELS]
    if len(levels) < 2 or len(levels) < len(texts):
        return None
    ordered = sorted(levels, key=lambda text: _LEVELS.index(text.lower()))
    if material.judgement.urgent:
        return ordered[-1]
    return ordered[-2 if len(ordered) > 2 and material.judgement.tone < -0.2 else (len(ordered) - 1) // 2]


def mentioned(name: str, texts: Sequence[str], material: Material) -> str | None:
    """The one that is mentioned most often, if any is."""
    said = [token.concept for token in tokens(f"{material.text[:5000]} {material.clause.text}")]
    counts = {text: min((said.count(word) for word in name_concepts(text)), default=0) for text in texts}
    best = max(counts, key=lambda text: counts[text], default=None)
    return best if best is not None and counts[best] else None
