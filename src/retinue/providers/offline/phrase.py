"""A tool's text arguments, each found as its name tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retinue.providers.offline import wording
from retinue.providers.offline.clause import Clause
from retinue.providers.offline.record import Record
from retinue.providers.offline.schema import Schema
from retinue.providers.offline.text import concept, name_words
from retinue.providers.offline.tool import Tool

_ADDRESSES = {"email": "email", "uri": "url", "date": "date", "date-time": "datetime", "time": "time", "uuid": "uuid"}


@dataclass(frozen=True)
class Phrases:
    """Finds the texts for a tool in a clause; see Filler for what the fields mean."""

    tool: Tool
    clause: Clause
    prompt: str
    exclude: frozenset[str]
    things: frozenset[str]
    records: Sequence[Record]
    attempt: int

    def find(self, name: str, schema: Schema, required: bool) -> Any:
        """A text for a parameter, within its lengths, or None."""
        if schema.get("format") in _ADDRESSES:
            return self._address(_ADDRESSES[schema["format"]])
        recipient = wording.RECIPIENTS.intersection(name_words(name))
        value = None if recipient else wording.labelled(name, self.clause)
        value = value or (self._worded(name) if required else self._offered(name))
        if value is None or len(value) < schema.get("minLength", 0):
            return None
        return value[: schema["maxLength"]] if "maxLength" in schema else value

    def _address(self, kind: str) -> str | None:
        kinds = ("date", "datetime") if kind == "date" else (kind,)
        found = next((str(m.value) for m in self.clause.mentions if m.kind in kinds), None)
        return found[:10] if found and kind == "date" else found

    def _offered(self, name: str) -> str | None:
        """A text for a parameter that may be left out: only what is clearly meant for it."""
        words = frozenset(name_words(name))
        if wording.is_search(name):
            return wording.query(self.clause, self.exclude, self.things, self.attempt) or None
        if "reason" in words:
            return wording.reason(self.clause)
        if not {concept(word) for word in words} & self.clause.concepts or self.tool.verb not in ("change", "create"):
            return None
        return next(iter(wording.quotes(self.clause, introduced=True)), None) or self.clause.value or None

    def _worded(self, name: str) -> str | None:
        """A text for a parameter that is needed."""
        words = frozenset(name_words(name))
        kinds = words | {"email"} if words & wording.RECIPIENTS else words
        address = next((m.text for m in self.clause.mentions if m.kind in kinds), None)
        if address is not None:
            return address
        if wording.is_search(name):
            return wording.query(self.clause, self.exclude, self.things, self.attempt)
        if words & wording.BODIES:
            return wording.body(self.clause, self.tool.verb, self.prompt)
        if words & wording.NAMES:
            return wording.named(self.clause, self.exclude)
        if not self.tool.writes and self.records and isinstance(self.records[0].values.get(name), str):
            return str(self.records[0].values[name])
        return self._any_text()

    def _any_text(self) -> str | None:
        quoted = wording.quotes(self.clause, introduced=True) or wording.quotes(self.clause, introduced=False)
        if quoted:
            return quoted[0]
        if self.tool.verb == "change" and self.clause.value:
            return self.clause.value
        words = " ".join(self.clause.subject(self.exclude))
        return wording.place(self.clause, self.exclude) or words or None
