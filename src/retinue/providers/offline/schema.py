"""JSON schemas read: references followed, alternatives listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from retinue.providers.offline.text import name_concepts

Schema: TypeAlias = dict[str, Any]

DEEPEST = 6
"""How deep the optional parts of a value go; a recursive schema ends here."""
_BOUNDS = {
    "minimum": max,
    "exclusiveMinimum": max,
    "minLength": max,
    "minItems": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
}


def resolve(schema: Any, root: Mapping[str, Any]) -> Schema:
    """The schema that is meant: what `$ref` points to and what `allOf` adds, merged. `True` allows anything."""
    if not isinstance(schema, dict):
        return {}
    found = dict(schema)
    for _ in range(20):  # a chain of references that is longer leads in a circle
        if "$ref" in found:
            target = _follow(str(found.pop("$ref")), root)
            found = {**target, **found}
        elif found.get("allOf"):
            parts = found.pop("allOf")
            for part in parts:
                found = merge(found, resolve(part, root))
        else:
            break
    return found


def _follow(reference: str, root: Mapping[str, Any]) -> Schema:
    place: Any = root
    for key in reference.removeprefix("#").strip("/").split("/"):
        key = key.replace("~1", "/").replace("~0", "~")
        if key:
            place = place.get(key) if isinstance(place, Mapping) else None
    return dict(place) if isinstance(place, Mapping) else {}


def merge(one: Schema, other: Schema) -> Schema:
    """A schema that asks for what both ask for."""
    merged = {**one, **other}
    for key in one.keys() & other.keys():
        if key in _BOUNDS:
            merged[key] = _BOUNDS[key](one[key], other[key])
        elif key in ("properties", "$defs"):
            merged[key] = {**one[key], **other[key]}
        elif key == "required":
            merged[key] = [*one[key], *(name for name in other[key] if name not in one[key])]
        elif key == "enum":
            merged[key] = [value for value in one[key] if value in other[key]] or one[key]
    return merged


def alternatives(schema: Any, root: Mapping[str, Any]) -> list[Schema]:
    """The schemas a value may fit, resolved, without that of `null` unless it is the only one."""
    found = _alternatives(resolve(schema, root), root, 0)
    found = [option for option in found if not is_null(option)] or found
    if [option.get("type") for option in found] == ["number", "string"]:
        return found[:1]  # a decimal: the string is only another way to write the number
    return found


def _alternatives(schema: Schema, root: Mapping[str, Any], depth: int) -> list[Schema]:
    options = schema.get("anyOf") or schema.get("oneOf")
    if options and depth < 5:
        outer = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf", "discriminator", "default", "title")}
        tag = (schema.get("discriminator") or {}).get("propertyName")
        if tag:
            outer = merge(outer, {"required": [tag]})
        inner = [merge(resolve(option, root), outer) for option in options if option is not False]
        return [found for option in inner for found in _alternatives(option, root, depth + 1)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": type_} for type_ in schema["type"]]
    return [schema]


def is_null(schema: Schema) -> bool:
    """Whether it allows nothing but `null`."""
    return schema.get("type") == "null" or ("const" in schema and schema["const"] is None)


def allows_null(schema: Any, root: Mapping[str, Any]) -> bool:
    """Whether `null` is one of the values it allows."""
    found = resolve(schema, root)
    if None in found.get("enum", ()):
        return True
    return any(is_null(option) for option in _alternatives(found, root, 0))


def depth(schema: Any, root: Mapping[str, Any], level: int = 0) -> int:
    """How deep the required parts of a schema go, up to a limit."""
    found = resolve(schema, root)
    if is_null(found) or level > DEEPEST:
        return 0 if is_null(found) else level
    inner: list[Any] = []
    if type_of(found) == "object":
        inner = [found.get("properties", {}).get(key, {}) for key in found.get("required") or ()]
    elif type_of(found) == "array" and found.get("minItems", 0) > 0:
        inner = [found.get("items", {})]
    depths = [min(depth(option, root, level + 1) for option in alternatives(part, root)) for part in inner]
    return max(depths, default=level)


def words_of(schema: Schema, root: Mapping[str, Any]) -> frozenset[str]:
    """The words by which an object can be told from another: its title, its fixed values, its fields."""
    words = set(name_concepts(str(schema.get("title", ""))))
    for name, part in (schema.get("properties") or {}).items():
        words.update(name_concepts(name))
        for value in choices(resolve(part, root)) or ():
            words.update(name_concepts(str(value)))
    return frozenset(words)


def choices(schema: Schema) -> list[Any] | None:
    """The values it allows, where they are listed."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if schema.get("enum") else None


def type_of(schema: Schema) -> str:
    """Its type's name, also where that is only implied."""
    if "type" in schema:
        return str(schema["type"])
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "any"


def allows_number(schema: Schema, value: float) -> bool:
    """Whether a number fits its type and bounds."""
    if type_of(schema) == "integer" and value != int(value):
        return False
    if value < schema.get("minimum", value) or value > schema.get("maximum", value):
        return False
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if (above is not None and value <= above) or (below is not None and value >= below):
        return False
    step = schema.get("multipleOf")
    return not step or abs(value / step - round(value / step)) < 1e-9
