"""JSON Schema in words. Every walk has a budget: a schema may hold itself, a hostile file may never end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from tollway.web.openapi.model import Property, SchemaView
from tollway.web.openapi.references import References
from tollway.web.openapi.tree import items, mapping, text

__all__ = ["SchemaReader", "shown"]

_MAX_DEPTH = 6
_MAX_NODES = 400
_MAX_CHOICES = 60
_LONGEST_VALUE = 80
_VARIANTS = {"oneOf": "One of", "anyOf": "Any of"}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def shown(value: object) -> str:
    """Write a value as JSON does, texts without their quotes, at most some 80 characters of it."""
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return written if len(written) <= _LONGEST_VALUE else written[: _LONGEST_VALUE - 1] + "…"


class SchemaReader:
    """Reads the schemas of one page; all of them share one budget of nodes."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._left = _MAX_NODES

    def read(self, node: object) -> SchemaView:
        """Return a schema as people read it."""
        return self._read(node, (), 0)

    def merged(self, node: object) -> dict[str, object]:
        """Return a schema with its reference followed and its `allOf` folded in."""
        return self._merged(node, 0)

    def _read(self, node: object, above: tuple[str, ...], depth: int) -> SchemaView:
        name = self._references.name(node)
        if isinstance(node, bool):
            return SchemaView("anything" if node else "nothing")
        schema = self._merged(node, 0)
        kind = self._kind(schema, 0)
        view = SchemaView(
            kind=kind,
            name=name,
            description=text(schema.get("description")),
            rules=tuple(_rules(schema)),
        )
        if name and name in above:
            return replace(view, cut=f"{name} again, as above")
        inner = schema
        while "items" in inner and not mapping(inner.get("properties")):
            # What is in a list is shown as if it stood here: `list of City`, then City's properties.
            name = name or self._references.name(inner["items"])
            if self._references.name(inner["items"]) in above:
                return replace(view, cut="again, as above")
            inner = self._merged(inner["items"], 0)
            depth += 1
            if depth > _MAX_DEPTH:
                break
        self._left -= 1
        has_inner = mapping(inner.get("properties")) or any(items(inner.get(word)) for word in _VARIANTS)
        if has_inner and (depth > _MAX_DEPTH or self._left <= 0):
            return replace(view, cut="not shown here; the OpenAPI file has it")
        return self._with_inner(view, inner, (*above, name) if name else above, depth)

    def _with_inner(
        self, view: SchemaView, schema: dict[str, object], above: tuple[str, ...], depth: int
    ) -> SchemaView:
        required = {name for name in items(schema.get("required")) if isinstance(name, str)}
        properties: list[Property] = []
        for name, inner in mapping(schema.get("properties")).items():
            if self._left <= 0:
                view = replace(view, cut="more are not shown here; the OpenAPI file has them")
                break
            properties.append(Property(name, name in required, self._read(inner, above, depth + 1)))
        for word, title in _VARIANTS.items():
            choices = items(schema.get(word))
            # `oneOf: [X, null]` is said by the type's words, and by X's properties alone.
            several = [choice for choice in choices if mapping(choice).get("type") != "null"]
            if several and self._left > 0:
                variants = tuple(self._read(choice, above, depth + 1) for choice in several[:_MAX_CHOICES])
                view = replace(view, variants_title=title, variants=variants)
                break
        return replace(view, properties=tuple(properties))

    def _merged(self, node: object, depth: int) -> dict[str, object]:
        schema = self._references.resolve(node)
        parts = items(schema.get("allOf"))
        if not parts or depth > _MAX_DEPTH:
            return schema
        self._left -= 1
        if self._left <= 0:
            return schema
        together: dict[str, object] = {}
        for part in [*parts[:_MAX_CHOICES], {name: schema[name] for name in schema if name != "allOf"}]:
            together = _both(together, self._merged(part, depth + 1))
        return together

    def _kind(self, schema: dict[str, object], depth: int) -> str:
        words = [name for name in items(schema.get("type")) if isinstance(name, str)] or [
            text(schema.get("type")) or _guess(schema)
        ]
        said = [self._one_kind(word, schema, depth) for word in words]
        if schema.get("nullable") is True or any(
            mapping(choice).get("type") == "null" for word in _VARIANTS for choice in items(schema.get(word))
        ):
            said.append("null")
        return " or ".join(dict.fromkeys(said))

    def _one_kind(self, word: str, schema: dict[str, object], depth: int) -> str:
        if word == "array":
            inner = schema.get("items")
            if depth > _MAX_DEPTH or not mapping(inner):
                return "list"
            name = self._references.name(inner)
            return f"list of {name or self._kind(self._merged(inner, 0), depth + 1)}"
        if word == "object":
            more = schema.get("additionalProperties")
            if mapping(more) and not mapping(schema.get("properties")) and depth <= _MAX_DEPTH:
                name = self._references.name(more)
                return f"object of {name or self._kind(self._merged(more, 0), depth + 1)} by name"
            return "object"
        form = text(schema.get("format"))
        return f"{word} ({form})" if form and word not in {form, "null"} else word


def _guess(schema: dict[str, object]) -> str:
    if mapping(schema.get("properties")) or "additionalProperties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    for values in (items(schema.get("enum")), [schema["const"]] if "const" in schema else []):
        if values and all(isinstance(value, str) for value in values):
            return "string"
    return "anything" if not any(items(schema.get(word)) for word in _VARIANTS) else "value"


def _both(first: dict[str, object], second: dict[str, object]) -> dict[str, object]:
    """Return what holds where both hold, as far as a reader cares: inner properties are merged too."""
    together = {**first, **second}
    if "required" in first and "required" in second:
        together["required"] = [*items(first["required"]), *items(second["required"])]
    properties, more = mapping(first.get("properties")), mapping(second.get("properties"))
    if properties and more:
        together["properties"] = {
            **properties,
            **{
                name: {**mapping(properties.get(name)), **mapping(inner)}
                if name in properties and "$ref" not in mapping(inner)
                else inner
                for name, inner in more.items()
            },
        }
    return together


def _rules(schema: dict[str, object]) -> Iterator[str]:
    for name, words in _BOUNDS.items():
        value = schema.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield words.format(f"{value:,}" if isinstance(value, int) else value)
    choices = items(schema.get("enum"))
    if choices:
        written = ", ".join(shown(choice) for choice in choices[:_MAX_CHOICES])
        yield f"one of {written}" + (", …" if len(choices) > _MAX_CHOICES else "")
    if "const" in schema:
        yield f"always {shown(schema['const'])}"
    if "default" in schema:
        yield f"default {shown(schema['default'])}"
    pattern = text(schema.get("pattern"))
    if pattern:
        yield f"matches {shown(pattern)}"
    if schema.get("readOnly") is True:
        yield "only in answers"
    if schema.get("writeOnly") is True:
        yield "only in requests"
    if schema.get("deprecated") is True:
        yield "deprecated"
