"""Fields of a message that its schema does not know: readers ignore them, so only a look from outside finds them.

They are how a newer sender, or one that misspelt an optional field, is recognised.
"""

from typing import Any

Schema = dict[str, Any]


def unknown_fields(message: Any, schema: Schema) -> list[str]:
    """Paths of what is not in the schema, sorted; an item of a list or of a free mapping is `*`.

    >>> item = {"type": "object", "properties": {"b": {"type": "number"}}}
    >>> schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/It"}}}}
    >>> unknown_fields({"a": [{"b": 1, "c": 2}], "d": 3}, {**schema, "$defs": {"It": item}})
    ['a/*/c', 'd']
    """
    return sorted(_unknown(message, schema, schema.get("$defs", {}), ""))


def _unknown(value: Any, schema: Schema, definitions: Schema, place: str) -> set[str]:
    schema = _resolved(schema, definitions)
    if "anyOf" in schema:
        alternatives = _alternatives(value, schema, definitions)
        return min((_unknown(value, it, definitions, place) for it in alternatives), key=len, default=set())
    if isinstance(value, list):
        items = schema.get("items")
        return set().union(*(_unknown(it, items, definitions, f"{place}*/") for it in value)) if items else set()
    if not isinstance(value, dict):
        return set()
    known, rest = schema.get("properties", {}), schema.get("additionalProperties")
    found = set()
    for name, inner in value.items():
        if name in known:
            found |= _unknown(inner, known[name], definitions, f"{place}{name}/")
        elif isinstance(rest, dict):
            found |= _unknown(inner, rest, definitions, f"{place}*/")
        elif "properties" in schema:
            found.add(place + name)
    return found


def _alternatives(value: Any, schema: Schema, definitions: Schema) -> list[Schema]:
    """Those the value can be of: the one it names, else all of its type."""
    if not isinstance(value, dict):
        return [it for it in schema["anyOf"] if _resolved(it, definitions).get("type") == "array"]
    named = schema.get("discriminator")
    if named is not None:
        chosen = named["mapping"].get(value.get(named["propertyName"]))
        return [{"$ref": chosen}] if chosen else []
    return [it for it in schema["anyOf"] if _resolved(it, definitions).get("type") == "object"]


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    return schema
