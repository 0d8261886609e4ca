"""Forms as documents: names are paths into the document, and the schema says of which type each value is.

`config.minute=1000`, `config[minute]=1000`, `paths[]=/a`, `paths[1]=/a`, a name repeated; an empty value
is null. What doesn't fit its type is left as it is, for the schema to find the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from tollway.gateway.errors import SchemaViolation
from tollway.gateway.schema.fields import Array, Boolean, Field, Integer, Map, Number, Record

__all__ = ["FormTree", "parse", "typed"]

FormTree: TypeAlias = "dict[str, FormTree | list[str]]"

_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\[\]]*)\]")
_DEPTH = 16
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?")


def parse(pairs: Iterable[tuple[str, str]]) -> FormTree:
    """Put names and values into a tree; `[]` is a step with an empty name.

    Raises:
        SchemaViolation: a name is both a value and a record.
    """
    root: FormTree = {}
    for name, value in pairs:
        steps = _steps(name)
        node = root
        for step in steps[:-1]:
            inner = node.setdefault(step, {})
            if isinstance(inner, list):
                raise _both(name)
            node = inner
        leaf = node.setdefault(steps[-1], [])
        if isinstance(leaf, dict):
            raise _both(name)
        leaf.append(value)
    return root


def typed(field: Field | None, node: FormTree | list[str]) -> Any:
    """Return what a node of the tree is as JSON, if it is meant for `field`; None is a field not known."""
    if isinstance(field, Array):
        return _array(field, node)
    if isinstance(node, dict):
        if isinstance(field, Record):
            known = {name: shorthand.field for name, shorthand in field.shorthands.items()} | dict(
                field.fields
            )
            return {name: typed(known.get(name), part) for name, part in node.items()}
        inner = field.values if isinstance(field, Map) else None
        return {name: typed(inner, part) for name, part in node.items()}
    values = [_scalar(field, text) for text in node]
    return values[0] if len(values) == 1 else values


def _array(field: Array, node: FormTree | list[str]) -> Any:
    if isinstance(node, list):
        return None if node == [""] else [typed(field.elements, [text]) for text in node]
    if not all(name == "" or name.isdigit() for name in node):
        return {name: typed(field.elements, part) for name, part in node.items()}
    result: list[Any] = []
    for name in sorted(node, key=lambda name: (name == "", int(name or 0))):
        part = node[name]
        if name == "" and isinstance(part, list):
            # `paths[]=` is how a form says "none".
            result += [typed(field.elements, [text]) for text in part if part != [""]]
        else:
            result.append(typed(field.elements, part))
    return result


def _scalar(field: Field | None, text: str) -> Any:
    if text == "":
        return None
    if isinstance(field, Boolean) and text in {"true", "false"}:
        return text == "true"
    if isinstance(field, Number) and _INTEGER.fullmatch(text):
        return int(text)
    if isinstance(field, Number) and not isinstance(field, Integer) and _NUMBER.fullmatch(text):
        return float(text)
    return text


def _steps(name: str) -> list[str]:
    steps: list[str] = []
    position = 0
    while position < len(name):
        match = _STEP.match(name, position)
        if match is None or len(steps) == _DEPTH or (not steps and match[1] is None):
            return [name]  # no path: a field of that odd name, which no schema has
        steps.append(match[1] if match[1] is not None else match[2])
        position = match.end()
    return steps or [name]


def _both(name: str) -> SchemaViolation:
    return SchemaViolation({name: "given both as a value and as a record"})
