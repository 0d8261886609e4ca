"""Examples: the file's own where it has some, otherwise made from the schema."""

from __future__ import annotations

from tollway.web.openapi.references import References
from tollway.web.openapi.schema import SchemaReader
from tollway.web.openapi.tree import items, mapping, text

__all__ = ["ExampleMaker"]

_MAX_DEPTH = 5
_MAX_NODES = 200
_BY_FORMAT = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "ines@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "7f3c91e2-a04d-4e0b-9c55-0d1f2a3b4c5d",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}
_MISSING = object()


class ExampleMaker:
    """Makes the examples of one page; all of them share one budget."""

    def __init__(self, references: References, schemas: SchemaReader) -> None:
        self._references = references
        self._schemas = schemas
        self._left = _MAX_NODES

    def of(self, node: dict[str, object]) -> object:
        """Return the example of a parameter or a media type; one is always found."""
        written = self.written(node)
        return self._made(node.get("schema"), 0) if written is None else written

    def written(self, node: dict[str, object]) -> object:
        """Return the example that a parameter, a media type or its schema carries, None if none does."""
        if "example" in node:
            return node["example"]
        for example in mapping(node.get("examples")).values():
            resolved = self._references.resolve(example)
            if "value" in resolved:
                return resolved["value"]
        found = _given(self._schemas.merged(node.get("schema")))
        return None if found is _MISSING else found

    def _made(self, node: object, depth: int) -> object:
        self._left -= 1
        schema = self._schemas.merged(node)
        given = _given(schema)
        if given is not _MISSING:
            return given
        if self._left <= 0 or depth > _MAX_DEPTH:
            return {}
        for word in ("oneOf", "anyOf"):
            choices = items(schema.get(word))
            if choices:
                return self._made(choices[0], depth + 1)
        return self._by_kind(schema, depth)

    def _by_kind(self, schema: dict[str, object], depth: int) -> object:
        kinds = [kind for kind in items(schema.get("type")) if isinstance(kind, str) and kind != "null"]
        kind = (kinds or [text(schema.get("type"))])[0]
        properties = mapping(schema.get("properties"))
        if kind == "object" or properties:
            return {
                name: self._made(inner, depth + 1)
                for name, inner in properties.items()
                if self._left > 0 and self._schemas.merged(inner).get("writeOnly") is not True
            }
        if kind == "array" or "items" in schema:
            return [self._made(schema.get("items"), depth + 1)]
        if kind == "boolean":
            return True
        if kind in {"integer", "number"}:
            least = schema.get("minimum")
            return least if isinstance(least, int | float) and least > 0 else 1
        return _BY_FORMAT.get(text(schema.get("format")), "text")


def _given(schema: dict[str, object]) -> object:
    for name in ("example", "const", "default"):
        if schema.get(name) is not None:
            return schema[name]
    for name in ("examples", "enum"):
        values = items(schema.get(name))
        if values:
            return values[0]
    return _MISSING
