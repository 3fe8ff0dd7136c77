"""A tool's arguments, found in a clause, in what other tools returned, and in the schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from retinue.providers.offline import numeral, wording
from retinue.providers.offline.clause import Clause
from retinue.providers.offline.identity import identity, typed
from retinue.providers.offline.option import flag, option
from retinue.providers.offline.phrase import Phrases
from retinue.providers.offline.record import Record
from retinue.providers.offline.schema import Schema, alternatives, choices, type_of
from retinue.providers.offline.text import concept, name_words, plain
from retinue.providers.offline.tool import Tool, id_noun, is_id


@dataclass(frozen=True)
class Arguments:
    """What was found for a call: `missing` names required parameters that were not.

    `of_record` says which of them something that another tool returns could supply.
    """

    values: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    of_record: tuple[str, ...] = ()


def numbered(name: str, tool: Tool) -> tuple[str, ...]:
    """What a thing's number for a parameter may be called: like the parameter, or like what the tool changes."""
    return (name_words(name)[-1], *sorted(tool.nouns))


@dataclass
class Filler:
    """Fills a tool's arguments from a clause. `records` are what the clause means of what tools returned.

    `exclude` are concepts that do not name a thing; `attempt` counts the searches that found nothing,
    `pick` says which one of several ids is meant.
    """

    tool: Tool
    clause: Clause
    prompt: str
    exclude: frozenset[str] = frozenset()
    records: Sequence[Record] = ()
    attempt: int = 0
    pick: int = 0
    root: dict[str, Any] = field(init=False)
    things: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.tool.schema
        self.things = frozenset(filter(None, map(id_noun, self.tool.id_names))) or self.tool.nouns

    @cached_property
    def phrases(self) -> Phrases:
        return Phrases(self.tool, self.clause, self.prompt, self.exclude, self.things, self.records, self.attempt)

    def fill(self) -> Arguments:
        """The arguments, without those that keep their defaults."""
        found, missing = self._object(self.tool.schema)
        of_record = tuple(name for name in missing if is_id(name) or self._relative(name))
        if not missing and self._changes_nothing(found):
            missing = [name for name in self.tool.properties if not is_id(name)][:1]
        return Arguments(found, tuple(missing), of_record)

    @property
    def _supplies(self) -> bool:
        """Whether it only reads what a command needs: what the command sets is then no filter."""
        return not self.tool.writes and self.clause.command is not None

    def _changes_nothing(self, found: dict[str, Any]) -> bool:
        """Whether a change of a thing would not say what to change."""
        others = [name for name in self.tool.properties if not is_id(name)]
        return self.tool.verb == "change" and bool(others) and not any(name in found for name in others)

    def _object(self, schema: Schema) -> tuple[dict[str, Any], list[str]]:
        properties: dict[str, Any] = schema.get("properties") or {}
        required = frozenset(schema.get("required") or ())
        found = self._numbers(properties, required)
        missing: list[str] = []
        for name, part in properties.items():
            if name not in found and (name in required or not self._supplies or wording.is_search(name)):
                value = self._value(name, part, name in required, missing)
                if value is not None:
                    found[name] = value
        missing += [name for name in properties if name in required and name not in found and name not in missing]
        return {name: found[name] for name in properties if name in found}, missing

    def _numbers(self, properties: dict[str, Any], required: frozenset[str]) -> dict[str, Any]:
        names = [name for name in properties if not is_id(name) and (name in required or not self._supplies)]
        wanted = {name: schema for name in names if (schema := self._numeric(properties[name]))}
        found: dict[str, Any] = {}
        change = numeral.relative(self.clause) if self.tool.verb == "change" else None
        for name, schema in wanted.items():
            if change and self._relative(name) and self.records:
                old = self.records[0].number(*numbered(name, self.tool))
                new = None if old is None else numeral.changed(schema, old, change)
                if new is not None:
                    found[name] = new
        if change:
            return found
        return numeral.assign(wanted, required, self.clause, self.things)

    def _numeric(self, part: Any) -> Schema | None:
        options = [s for s in alternatives(part, self.root) if type_of(s) in ("integer", "number") and not choices(s)]
        return options[0] if options else None

    def _relative(self, name: str) -> bool:
        """Whether the clause changes this number by, not to, an amount."""
        if self.tool.verb != "change" or self._numeric(self.tool.properties.get(name)) is None:
            return False
        words = {concept(word) for word in name_words(name)}
        return numeral.relative(self.clause) is not None and (
            bool(words & self.clause.concepts) or name in self.tool.required
        )

    def _value(self, name: str, part: Any, required: bool, missing: list[str]) -> Any:
        for schema in alternatives(part, self.root):
            value = self._of_type(name, schema, required, missing)
            if value is not None:
                return value
        return None

    def _of_type(self, name: str, schema: Schema, required: bool, missing: list[str]) -> Any:
        offered, type_ = choices(schema), type_of(schema)
        if offered is not None:
            return offered[0] if required and len(offered) == 1 else option(schema, self.clause)
        if type_ == "boolean":
            return flag(name, self.clause, required=required)
        if is_id(name) and type_ in ("string", "integer", "any"):
            return self._id(name, schema, required)
        if type_ == "array":
            return self._list(name, schema, required, missing)
        if type_ == "object" and required:
            return self._nested(name, schema, missing)
        return self.phrases.find(name, schema, required) if type_ in ("string", "any") else None

    def _nested(self, name: str, schema: Schema, missing: list[str]) -> dict[str, Any] | None:
        found, lacking = self._object(schema)
        missing += [f"{name}.{inner}" for inner in lacking]
        return found if found or not lacking else None

    def _id(self, name: str, schema: Schema, required: bool) -> Any:
        noun = id_noun(name)
        nouns = frozenset({noun}) if noun else self.tool.nouns
        if found := self._said_ids(schema, nouns, lone=required and len(self.tool.id_names) == 1):
            return found[self.pick] if self.pick < len(found) else found[0]
        for record in self.records[:1]:
            value = typed(record.identify(name, next(iter(nouns), "")), schema)
            if value is not None:
                return value
        if required and not self.tool.writes and name_words(name)[-1] == "slug" and self.attempt:
            return plain(" ".join(self.clause.subject(self.exclude))) or None
        return None

    def ids(self) -> int:
        """How many things the clause names by their ids, for a tool that takes one."""
        names = [name for name in self.tool.id_names if name in self.tool.required]
        schema = alternatives(self.tool.properties[names[0]], self.root)[0] if len(names) == 1 else {}
        if type_of(schema) not in ("integer", "string"):
            return 1
        noun = id_noun(names[0])
        found = self._said_ids(schema, frozenset({noun}) if noun else self.tool.nouns, lone=True)
        return max(len(found), 1)

    def _said_ids(self, schema: Schema, nouns: frozenset[str], *, lone: bool) -> list[Any]:
        found = identity(schema, self.clause, nouns, lone=lone)
        before = self.clause.before
        if not found and before is not None and self.clause.pronouns:
            found = identity(schema, before, nouns, lone=False)
        return list(dict.fromkeys(found))

    def _list(self, name: str, schema: Schema, required: bool, missing: list[str]) -> list[Any] | None:
        item = alternatives(schema.get("items", {}), self.root)[0]
        if offered := choices(item):
            return [value for value in offered if option({"enum": [value]}, self.clause) is not None] or None
        if type_of(item) == "object":
            nested = self._nested(name, item, missing) if required else None
            return [nested] if nested else None
        if is_id(name):
            noun = id_noun(name)
            found = identity(item, self.clause, frozenset({noun}) | self.tool.nouns, lone=True)
            found = found or [typed(record.identify("id", noun), item) for record in self.records]
            return [value for value in found if value is not None] or None
        return self._plain_list(name, item, required)

    def _plain_list(self, name: str, item: Schema, required: bool) -> list[Any] | None:
        if type_of(item) in ("integer", "number"):
            found: list[Any] = [m.value for m in numeral.numbers(self.clause)] if required else []
        else:
            found = list(wording.listed(name, self.clause, required=required))
            if not found and required:
                found = self.clause.subject(self.exclude)
        return found or None
