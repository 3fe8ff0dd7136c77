"""What a field of an output should say, by its name and what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retinue.providers.offline import numeral, wording
from retinue.providers.offline.clause import verb_of
from retinue.providers.offline.enumeration import chosen, mentioned
from retinue.providers.offline.judgement import Judgement
from retinue.providers.offline.material import Material
from retinue.providers.offline.option import flag
from retinue.providers.offline.schema import Schema, choices, type_of
from retinue.providers.offline.text import concept, name_words, sentences, shorten, tokens
from retinue.providers.offline.tool import is_id
from retinue.providers.offline.words import PLAIN, STOP, word_set

_TONES = frozenset({"sentiment", "tone", "mood", "polarity", "emotion", "attitude"})
_CERTAIN = frozenset({"confidence", "certainty", "probability", "likelihood", "score"})
_RATED = word_set("rating stars star satisfaction quality grade mark")
_COUNTED = word_set("count total number num n amount quantity")
_MEANS = frozenset({"average", "avg", "mean"})
_GISTS = frozenset({"summary", "abstract", "overview", "gist", "synopsis", "tldr"})
_TITLES = frozenset({"title", "headline", "heading", "subject"})
_REASONS = word_set("reason reasoning explanation rationale justification why evidence")
_ANSWERS = frozenset({"answer", "response", "reply", "result"})
_TEXTS = word_set("message output report text content description body")
_KEYWORDS = word_set("keyword keywords tag tags topic topics theme themes terms subjects")
_PRAISE = word_set("pros strengths positives likes praise advantages highlights")
_BLAME = word_set("cons weaknesses negatives dislikes issues complaints problems risks")
_POINTS = word_set("points findings takeaways sentences facts insights quotes notes bullets")
_TODO = frozenset({"recommendations", "suggestions", "actions", "steps", "todos", "improvements"})


@dataclass(frozen=True)
class Advice:
    """Suggests values for fields; None where there is nothing to say. What it suggests need not be valid."""

    material: Material

    @property
    def judged(self) -> Judgement:
        return self.material.judgement

    @property
    def phrase(self) -> str:
        """What a text says that nothing else is known of."""
        return shorten(next(iter(sentences(self.material.text)), "") or "unknown", 80)

    def value(self, name: str, schema: Schema) -> Any:
        """A value for a field of one type."""
        if (offered := choices(schema)) is not None:
            return self._choice(name, offered)
        match type_of(schema):
            case "integer" | "number":
                return self._number(name, schema)
            case "boolean":
                return self._flag(name)
            case "string":
                return self._text(name, schema)
        return self._known(name) if type_of(schema) == "any" else None

    def _choice(self, name: str, offered: Sequence[Any]) -> Any:
        numbers = [value for value in offered if isinstance(value, int | float) and not isinstance(value, bool)]
        if not numbers or len(numbers) < len(offered):
            return chosen(name, [value for value in offered if isinstance(value, str)], self.material)
        wanted = self._number(name, {"minimum": min(numbers), "maximum": max(numbers)})
        return None if wanted is None else min(numbers, key=lambda value: abs(value - wanted))

    def _number(self, name: str, schema: Schema) -> int | float | None:
        words = frozenset(name_words(name))
        known = self._known(name)
        if isinstance(known, int | float) or (isinstance(known, str) and known.replace(".", "", 1).isdigit()):
            return float(known) if isinstance(known, str) else known
        if words & _MEANS:
            return self._mean(words)
        if words & _TONES:
            return _scaled(self.judged.tone, schema, -1, 1)
        if words & _RATED:
            return self._rating(words, schema)
        if words & _CERTAIN and not words & _COUNTED:
            signed = schema.get("minimum", 0) < 0
            return _scaled(self.judged.tone, schema, -1, 1) if signed else _scaled(self.judged.confidence, schema, 0, 1)
        counted = self._count(words) if words & _COUNTED else None
        return self._said_number(name, schema) if counted is None else counted

    def _rating(self, words: frozenset[str], schema: Schema) -> int | float | None:
        average = self.material.average("rating")
        if average is not None and words & {"rating", "stars", "star"}:
            return round(average, 2)
        span = {"minimum": 1, "maximum": 5} | {k: v for k, v in schema.items() if k in ("minimum", "maximum")}
        return _scaled(self.judged.tone, span, -1, 1)

    def _mean(self, words: frozenset[str]) -> float | None:
        found = [self.material.average(word) for word in words - _MEANS]
        return next((round(value, 2) for value in found if value is not None), None)

    def _count(self, words: frozenset[str]) -> int | None:
        counted = {concept(word) for word in words - _COUNTED}
        text, said = self.material.text, self.judged
        lengths = {"word": len(tokens(text)), "sentence": len(sentences(text)), "character": len(text)}
        lengths |= {"positiv": len(said.positive), "negativ": len(said.negative)}
        for word, length in lengths.items():
            if word in counted:
                return length
        wanted = [r for r in self.material.records if not counted or not r.nouns or counted & r.nouns]
        return len(wanted) if self.material.records else None

    def _said_number(self, name: str, schema: Schema) -> int | float | None:
        open_schema = {"type": type_of(schema)}
        found = numeral.assign({name: open_schema}, frozenset(), self.material.clause, self.material.things)
        value: int | float | None = found.get(name)
        return value

    def lone_number(self) -> int | float | None:
        """The only number in the request, unless it is a thing's."""
        found = numeral.numbers(self.material.clause)
        label = numeral.before(found[0], self.material.clause) if len(found) == 1 else "-"
        return found[0].value if not label or verb_of(label) or label in STOP | PLAIN else None

    def _known(self, name: str) -> Any:
        """The value of the same name in the one record that is meant."""
        record = self.material.record
        if record is not None:
            found = record.identify(name) if is_id(name) else record.values.get(name)
            if found is not None:
                return found
        noun, _, key = name.partition("_")
        others = [other for other in self.material.others if concept(noun) in other.nouns]
        if len(others) != 1:
            return None
        return others[0].identify(name) if is_id(name) else others[0].values.get(key)

    def _flag(self, name: str) -> bool | None:
        known = self._known(name)
        if isinstance(known, bool):
            return known
        words = frozenset(name_words(name))
        for word, answer in (
            ("positive", self.judged.tone > 0),
            ("negative", self.judged.tone < 0),
            ("urgent", self.judged.urgent),
            ("found", bool(self.material.records)),
            ("success", not self.material.failed),
            ("successful", not self.material.failed),
        ):
            if word in words:
                return answer
        return flag(name, self.material.clause, required=False)

    def _text(self, name: str, schema: Schema) -> str | None:
        known = self._known(name)
        if known is not None and not isinstance(known, dict | list):
            return str(known)
        words = frozenset(name_words(name))
        return self._address(schema) or self._worded(words, schema) or self._said(name, words)

    def _address(self, schema: Schema) -> str | None:
        kind = {"email": "email", "uri": "url", "date": "date", "date-time": "datetime", "uuid": "uuid"}
        wanted = kind.get(schema.get("format", ""))
        mentions = self.material.clause.mentions
        return next((str(m.value) for m in mentions if m.kind == wanted), None) if wanted else None

    def _worded(self, words: frozenset[str], schema: Schema) -> str | None:
        if words & _TONES:
            return self.judged.label
        if words & _TITLES:
            return shorten(self.judged.title, min(schema.get("maxLength", 60), 60))
        if words & _GISTS:
            return self.judged.summary()
        if words & {"language", "lang", "locale"}:
            return self.judged.language
        if words & _REASONS:
            return self.judged.explanation
        if words & (_ANSWERS | _TEXTS):
            return self.material.answer if words & _ANSWERS and self.material.answer else self.material.text
        return next(iter(self.judged.keywords), None) if words & _KEYWORDS | words & {"category"} else None

    def _said(self, name: str, words: frozenset[str]) -> str | None:
        """What the prompt calls by the field's name, or a proper name for a name."""
        clause = self.material.clause
        found = wording.labelled(name, clause) or next((m.text for m in clause.mentions if m.kind in words), None)
        if found is None and words & {"name", "city", "place", "country", "location", "person", "customer", "author"}:
            return wording.place(clause, frozenset()) or " ".join(clause.subject(frozenset())[:3]) or None
        return found

    def items(self, name: str, item: Schema) -> list[Any] | None:
        """Values for a list of texts, numbers or choices."""
        words, offered = frozenset(name_words(name)), choices(item)
        known = self._known(name)
        if isinstance(known, list):
            return known
        if offered is not None:
            return [value for value in offered if mentioned(name, [str(value)], self.material) is not None]
        if type_of(item) in ("integer", "number"):
            return self._numbers(name)
        return self._texts(words) if type_of(item) == "string" else None

    def _numbers(self, name: str) -> list[Any]:
        ids = [record.identify(name) for record in self.material.records] if is_id(name) else []
        return [value for value in ids if value is not None] or [m.value for m in numeral.numbers(self.material.clause)]

    def _texts(self, words: frozenset[str]) -> list[str]:
        text = self.material.text
        if words & _PRAISE:
            return self.judged.sentences_of(1)[:5]
        if words & _BLAME:
            return self.judged.sentences_of(-1)[:5]
        if words & _POINTS:
            return sentences(text)[:5]
        if words & _TODO:
            return [s for s in sentences(text) if {"should", "must", "please", "need"} & {t.word for t in tokens(s)}][
                :5
            ]
        if words & {"names", "products", "items", "titles"} and self.material.records:
            return list(dict.fromkeys(record.name for record in self.material.records))[:20]
        return self.judged.keywords[:5]


def _scaled(value: float, schema: Schema, low: float, high: float) -> float:
    """A value between low and high moved to where the schema's bounds are."""
    bounds: dict[str, float] = {"exclusiveMinimum": low, "exclusiveMaximum": high} | schema
    least = bounds.get("minimum", bounds["exclusiveMinimum"])
    most = bounds.get("maximum", bounds["exclusiveMaximum"])
    return round(least + (value - low) / (high - low) * (most - least), 4) if most > least else least
