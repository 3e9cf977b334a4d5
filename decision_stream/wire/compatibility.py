"""What a new version of a message's schema would break for those who speak the old one.

Within a major version a message may only gain optional fields and wider bounds: what an old producer sends must
stay valid, and what an old reader reads must still be there. So a removed field, a newly required one, and a narrowed
type, enumeration or bound are faults. An added value of an enumeration is none: readers are told to expect them.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
TIGHTER_WHEN_HIGHER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
TIGHTER_WHEN_LOWER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaks(old: Schema, new: Schema) -> list[str]:
    """Every fault as a sentence with its place; empty when the new schema is compatible.

    >>> old = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
    >>> new = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"]}
    >>> breaks(old, new)
    ['/a: maximum is 9, was not there', '/b: removed', '/a: newly required']
    """
    return list(_Comparison(old, new).faults(old, new, ""))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old.get("$defs", {}), new.get("$defs", {})
        self._seen: set[tuple[str, str]] = set()

    def faults(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if any(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(old.get("anyOf", [old]), new.get("anyOf", [new]), place)
            return
        if "type" in new and old.get("type", new["type"]) != new["type"] and not _is_wider(old, new):
            yield f"{place}: type is {new['type']}, was {old['type']}"
            return
        yield from _narrowed(old, new, place)
        yield from self._object(old, new, place)
        for key in ("items", "additionalProperties"):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                yield from self.faults(old[key], new[key], f"{place}/*")

    def _object(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name not in after:
                yield f"{place}/{name}: removed"
            else:
                yield from self.faults(before[name], after[name], f"{place}/{name}")
        for name in new.get("required", ()):
            if name not in old.get("required", ()):
                yield f"{place}/{name}: newly required"

    def _alternatives(self, old: list[Schema], new: list[Schema], place: str) -> Iterator[str]:
        """Each old alternative needs a new one that breaks nothing; told are the faults of the nearest."""
        for before in old:
            found = []
            for after in new:
                seen = set(self._seen)
                found.append(list(self.faults(before, after, place)))
                self._seen = seen
            best = min(found, key=len)
            if best:
                yield f"{place}: alternative {_name(before)} is gone or narrowed ({best[0]})"


def _narrowed(old: Schema, new: Schema, place: str) -> Iterator[str]:
    if "const" in new or "enum" in new:
        before = old.get("enum", [old["const"]] if "const" in old else None)
        after = new.get("enum", [new["const"]] if "const" in new else [])
        gone = None if before is None else sorted(str(value) for value in before if value not in after)
        if gone is None or gone:
            yield f"{place}: no longer allows {', '.join(gone) if gone else 'any value'}"
    for bounds, tighter in ((TIGHTER_WHEN_HIGHER, 1), (TIGHTER_WHEN_LOWER, -1)):
        for bound in bounds:
            if bound in new and (bound not in old or tighter * (new[bound] - old[bound]) > 0):
                yield f"{place}: {bound} is {new[bound]}, was {old.get(bound, 'not there')}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{place}: pattern is {new['pattern']}, was {old.get('pattern', 'not there')}"


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _is_wider(old: Schema, new: Schema) -> bool:
    before, after = (set(it) if isinstance(it, list) else {it} for it in (old["type"], new["type"]))
    return before <= after or (before == {"integer"} and after == {"number"})


def _name(schema: Schema) -> str:
    kind = schema.get("$ref", schema.get("type", "?"))
    return str(kind).removeprefix("#/$defs/")
