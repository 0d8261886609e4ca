"""An OpenAPI file as a tree of plain values. Nothing in it is trusted: shapes are asked for, never assumed.

YAML and JSON are read alike: texts, numbers, true, false, null, lists and mappings with text keys. There are
no aliases (a few lines of them unfold to gigabytes) and no tags (they name types to make).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn

import yaml

from tollway.kernel.errors import InvalidInput

__all__ = ["MAX_BYTES", "items", "mapping", "read_tree", "text"]

MAX_BYTES = 32 * 1024 * 1024
_MAX_DEPTH = 128

# The C parser is some ten times faster; which of the two there is depends on how PyYAML was built.
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40}|[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


def mapping(value: object) -> dict[str, object]:
    """Return a mapping, or an empty one for whatever else stands there."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Return a list, or an empty one for whatever else stands there."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text, or an empty one for whatever else stands there."""
    return value if isinstance(value, str) else ""


def read_tree(raw: bytes, source: str) -> dict[str, object]:
    """Read JSON or YAML whose top is a mapping. `source` is the file's name, for errors.

    Raises:
        InvalidInput: too large, not UTF-8, neither JSON nor YAML, nested too deep, not a mapping.
    """
    if len(raw) > MAX_BYTES:
        raise InvalidInput(source, f"the file has more than {MAX_BYTES} bytes", "split the description")
    try:
        written = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{source}:{line}", "not UTF-8 text", "save the file as UTF-8") from None
    tree = _json(written, source) if written.lstrip()[:1] == "{" else _yaml(written, source)
    if not isinstance(tree, dict):
        raise InvalidInput(f"{source}:1", "not a mapping", 'begin with openapi: "3.1.0"')
    return tree


def _json(written: str, source: str) -> object:
    """Read JSON; what only looks like it, such as YAML in braces, is read as YAML."""
    try:
        tree = json.loads(written, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        if source.endswith(".json"):
            where = f"{source}:{error.lineno}"
            raise InvalidInput(where, f"not JSON: {error.msg}", "mend this line or the one above") from None
        return _yaml(written, source)
    except RecursionError:
        raise _too_deep(source) from None
    except ValueError as error:  # a number of thousands of digits, NaN, Infinity
        raise InvalidInput(source, f"not JSON: {error}", "write a number of bearable length") from None
    _check_depth(tree, source)
    return tree


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check_depth(tree: object, source: str) -> None:
    level: list[object] = [tree]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else items(value))
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep(source)


def _too_deep(where: str) -> InvalidInput:
    return InvalidInput(where, f"nested more than {_MAX_DEPTH} deep", "name inner schemas in components")


def _yaml(written: str, source: str) -> object:
    events: Iterator[yaml.Event] = yaml.parse(written, Loader=_Loader)
    tree: object = None
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if tree is not None:
                    raise _fault(event, source, "a second document", "write one document in a file")
                tree = _value(next(events), events, source, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "not YAML"
        where = f"{source}:{mark.line + 1 if mark else 1}"
        raise InvalidInput(where, f"not YAML: {problem}", "mend this line or the one above") from None
    except yaml.reader.ReaderError as error:
        line = written.count("\n", 0, error.position) + 1
        raise InvalidInput(f"{source}:{line}", "a control character", "remove it") from None
    return tree


def _value(event: yaml.Event, events: Iterator[yaml.Event], source: str, depth: int) -> object:
    if isinstance(event, yaml.ScalarEvent):
        _plain(event, source)
        return _scalar(event)
    if isinstance(event, yaml.AliasEvent):
        raise _fault(event, source, f"the alias *{event.anchor}", "write the value out, or use $ref")
    assert isinstance(event, yaml.CollectionStartEvent)
    _plain(event, source)
    if depth >= _MAX_DEPTH:
        raise _too_deep(f"{source}:{_line(event)}")
    if isinstance(event, yaml.SequenceStartEvent):
        found: list[object] = []
        while not isinstance(inner := next(events), yaml.SequenceEndEvent):
            found.append(_value(inner, events, source, depth + 1))
        return found
    fields: dict[str, object] = {}
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        if not isinstance(key, yaml.ScalarEvent):
            raise _fault(key, source, "a key that is not plain text", "write a field's name")
        _plain(key, source)
        if key.value in fields:
            raise _fault(key, source, f"{key.value[:60]!r} is written twice", "keep one")
        fields[key.value] = _value(next(events), events, source, depth + 1)
    return fields


def _plain(event: yaml.ScalarEvent | yaml.CollectionStartEvent, source: str) -> None:
    if event.anchor is not None:
        raise _fault(event, source, f"the anchor &{event.anchor}", "use $ref instead")
    if event.tag is not None:
        raise _fault(event, source, f"the tag {event.tag}", "remove it")


def _scalar(event: yaml.ScalarEvent) -> object:
    written: str = event.value
    # implicit[0]: the text is plain, so its look decides what it is.
    if not event.implicit[0]:
        return written
    if written.lower() in _WORDS:
        return _WORDS[written.lower()]
    if _INTEGER.fullmatch(written):
        return int(written)
    return float(written) if _DECIMAL.fullmatch(written) else written


def _fault(event: yaml.Event, source: str, problem: str, fix: str) -> InvalidInput:
    return InvalidInput(f"{source}:{_line(event)}", problem, fix)


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1
