"""A structured output: every field of a JSON schema filled, validly and as sensibly as rules can."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from retinue.providers.offline.advice import Advice
from retinue.providers.offline.material import Material
from retinue.providers.offline.record import Record, extreme
from retinue.providers.offline.schema import (
    DEEPEST,
    Schema,
    allows_null,
    alternatives,
    depth,
    merge,
    resolve,
    type_of,
    words_of,
)
from retinue.providers.offline.text import name_words
from retinue.providers.offline.tool import is_id
from retinue.providers.offline.value import fit, simplest
from retinue.providers.offline.words import SUPERLATIVES

_MOST_ITEMS = 20


@dataclass
class Output:
    """Fills a schema. `demands` are what validation asked for beyond it, by place."""

    root: Schema
    material: Material
    demands: dict[tuple[Any, ...], Schema] = field(default_factory=dict)

    def fill(self) -> Any:
        """The whole output."""
        return self._build(self.root, "", (), self.material)

    def _build(self, schema: Any, name: str, place: tuple[Any, ...], material: Material, n: int = 0) -> Any:
        found = self._wanted(schema, name, place, material)
        if found is not None:
            return found
        if allows_null(schema, self.root) and "x-variation" not in self.demands.get(place, {}):
            return None
        return self._least(schema, name, place, material, n)

    def _options(self, schema: Any, place: tuple[Any, ...]) -> list[Schema]:
        demanded = {key: value for key, value in self.demands.get(place, {}).items() if not key.startswith("x-")}
        return [merge(option, demanded) for option in alternatives(schema, self.root)]

    def _wanted(self, schema: Any, name: str, place: tuple[Any, ...], material: Material) -> Any:
        """A value that says something, or None."""
        options = self._options(schema, place)
        varied = "x-variation" in self.demands.get(place, {})
        for option in self._likeliest(options, material):
            if type_of(option) == "object":
                meant = _superlative(name, material)
                if len(place) < DEEPEST and (not place or self._tells(option, meant)):
                    return self._object(option, place, meant)
            elif type_of(option) == "array":
                found = self._array(option, name, place, material, ())
                if found:
                    return found
            elif not varied:
                found = fit(Advice(material).value(name, option), option)
                if found is not None:
                    return found
        return None

    def _likeliest(self, options: list[Schema], material: Material) -> list[Schema]:
        """The alternatives, those first whose names or fixed values the material mentions."""
        if len(options) < 2 or any(type_of(option) != "object" for option in options):
            return options
        return sorted(options, key=lambda option: -len(words_of(option, self.root) & material.concepts))

    def _tells(self, schema: Schema, material: Material) -> bool:
        """Whether all that it needs is known for an object that may be left out."""
        advice, needed = Advice(material), list(schema.get("required") or ())
        properties = schema.get("properties") or {}
        for name in needed or properties:
            options = alternatives(properties.get(name, {}), self.root)
            known = any("const" in o or fit(advice.value(name, o), o) is not None for o in options)
            if known != bool(needed):
                return known
        return bool(needed)

    def _least(self, schema: Any, name: str, place: tuple[Any, ...], material: Material, n: int) -> Any:
        """The simplest value, of the alternative that ends soonest."""
        options = self._options(schema, place)
        option = min(self._likeliest(options, material), key=lambda option: depth(option, self.root))
        n += self.demands.get(place, {}).get("x-variation", 0)
        match type_of(option):
            case "object":
                return self._object(option, place, material, n)
            case "array":
                return self._array(option, name, place, material, (), least=True, n=n)
        advice = Advice(material)
        lone = None if n else fit(advice.lone_number(), option)
        if lone is not None and type_of(option) in ("integer", "number"):
            return lone
        label = f"{material.prompt} {name} {place}"
        return simplest(option, advice.phrase, material.at, label, n)

    def _object(self, schema: Schema, place: tuple[Any, ...], material: Material, n: int = 0) -> dict[str, Any]:
        required = set(schema.get("required") or ())
        found: dict[str, Any] = {}
        for name, part in (schema.get("properties") or {}).items():
            if name in required or "const" in resolve(part, self.root):
                found[name] = self._build(part, name, (*place, name), material, n)
            elif len(place) < DEEPEST:
                value = self._wanted(part, name, (*place, name), material)
                if value is not None:
                    found[name] = value
        return self._extended(found, schema, place, material)

    def _extended(
        self, found: dict[str, Any], schema: Schema, place: tuple[Any, ...], material: Material
    ) -> dict[str, Any]:
        """With as many further entries as the schema wants at least."""
        least = max(schema.get("minProperties", 0), 0)
        names = list(material.judgement.keywords) + [f"key{n}" for n in range(least)]
        names += [name for name in schema.get("required") or () if name not in found]
        needed = [name for name in schema.get("required") or () if name not in found]
        key_schema = {"type": "string", **resolve(schema.get("propertyNames", {}), self.root)}
        for n, name in enumerate([*needed, *names]):
            if len(found) >= least and name not in needed:
                break
            key = fit(name, key_schema) or simplest(key_schema, name, material.at, name, n)
            found.setdefault(str(key), self._build(self._extra(schema), name, (*place, key), material, n))
        return found

    def _extra(self, schema: Schema) -> Any:
        patterns = list((schema.get("patternProperties") or {}).values())
        extra = schema.get("additionalProperties")
        return patterns[0] if patterns else extra if isinstance(extra, dict) else {"type": "string"}

    def _array(
        self,
        schema: Schema,
        name: str,
        place: tuple[Any, ...],
        material: Material,
        known: Sequence[Any],
        *,
        least: bool = False,
        n: int = 0,
    ) -> list[Any]:
        prefix = schema.get("prefixItems") or ()
        found = [self._build(part, name, (*place, i), material, n) for i, part in enumerate(prefix)]
        most = min(schema.get("maxItems", _MOST_ITEMS), max(_MOST_ITEMS, schema.get("minItems", 0)))
        if not least and "items" in schema and len(place) < DEEPEST:
            found += self._items(schema["items"], name, place, material)
        found = _unique(found) if schema.get("uniqueItems") else found
        found = found[:most] if not prefix else found[: max(most, len(prefix))]
        return self._padded(found, schema, name, place, material, n)

    def _items(self, item: Any, name: str, place: tuple[Any, ...], material: Material) -> list[Any]:
        options = self._options(item, (*place, 0))
        objects = [option for option in options if type_of(option) == "object"]
        if objects:
            return [
                self._build(item, name, (*place, i), material.about(record))
                for i, record in enumerate(material.records[:_MOST_ITEMS])
                if self._resembles(objects, record)
            ]
        for option in options:
            raw = Advice(material).items(name, option) or ()
            found = [value for value in (fit(value, option) for value in raw) if value is not None]
            if found:
                return found
        return []

    def _resembles(self, objects: list[Schema], record: Record) -> bool:
        """Whether a record has something that one of the objects asks for."""
        wanted = {key for option in objects for key in option.get("properties") or {}}
        return any(key in record.values or (is_id(key) and record.identify(key) is not None) for key in wanted)

    def _padded(
        self, found: list[Any], schema: Schema, name: str, place: tuple[Any, ...], material: Material, n: int
    ) -> list[Any]:
        """With as many further items as the schema wants at least; different ones if they have to be."""
        unique = bool(schema.get("uniqueItems"))
        tries = 0
        while len(found) < schema.get("minItems", 0) and tries < schema.get("minItems", 0) + 50:
            step = tries if unique else len(found)
            value = self._least(schema.get("items", {}), name, (*place, len(found)), material, n + step)
            if not unique or not _contains(found, value):
                found.append(value)
            tries += 1
        return found


def _superlative(name: str, material: Material) -> Material:
    """The material about the record that a name like `cheapest` means."""
    meant = next((SUPERLATIVES[word] for word in name_words(name) if word in SUPERLATIVES), None)
    best = extreme(list(material.records), *meant) if meant else []
    return material.about(best[0]) if len(best) == 1 else material


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _unique(found: list[Any]) -> list[Any]:
    return list({_key(value): value for value in found}.values())


def _contains(found: list[Any], value: Any) -> bool:
    return any(_key(value) == _key(other) for other in found)
