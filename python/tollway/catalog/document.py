"""The catalog file as a tree: YAML read strictly, with the line of every value.

Only what a catalog needs is taken: mappings with text keys, lists, texts, whole numbers, true, false, null.
There are no anchors and aliases (a few lines of them unfold to gigabytes), no tags (they name types to make),
no duplicate keys (the last would silently win), no octal or sexagesimal numbers, and nothing is ever a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from tollway.catalog.errors import CatalogFaults
from tollway.kernel.errors import InvalidInput
from tollway.kernel.exact import MAX_DIGITS

__all__ = ["MAX_BYTES", "Document", "Path", "UnquotedDecimal", "path_text", "read_document"]

MAX_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 32
_LONGEST_STEP = 60

Path = tuple[str | int, ...]
"""Where a value stands: `("plans", 0, "name")`."""

# The C parser is some ten times faster; which of the two there is depends on how PyYAML was built.
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER_LIKE = re.compile(
    r"[-+]?(?:[0-9][0-9_:,]*\.?[0-9_]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?\.(?:inf|nan)", re.IGNORECASE
)
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class UnquotedDecimal:
    """A number that other YAML readers would take for a float, or for another number than it looks like."""

    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, and the line (from 1) on which each value is written."""

    source: str
    content: object
    lines: Mapping[Path, int]
    faults: tuple[InvalidInput, ...]
    """What was read all the same, so that faults further on are found too, but must not be used."""

    def location(self, path: Path) -> str:
        """Name a place in the file: `catalog.yaml:12: plans[0].name`."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        where = f"{self.source}:{self.lines.get(known, 1)}"
        return f"{where}: {path_text(path)}" if path else where


def path_text(path: Path) -> str:
    """Write a path as people do: `plans[0].name`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            # A key may be anything somebody wrote, but an error is one line of bearable length.
            shown = step if step.isprintable() and len(step) <= _LONGEST_STEP else repr(step[:_LONGEST_STEP])
            text += f".{shown}" if text else shown
    return text


def read_document(raw: bytes, source: str) -> Document:
    """Read YAML (of which JSON is a part). `source` is the file's name, for errors.

    Raises:
        CatalogFaults: the file can't be read at all: too large, not UTF-8, not YAML, nested too deep.
    """
    if len(raw) > MAX_BYTES:
        raise _fault(source, f"the file has more than {MAX_BYTES} bytes", "split the catalog")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _fault(f"{source}:{line}", "not UTF-8 text", "save the file as UTF-8") from None
    reader = _Reader(source)
    try:
        content = reader.document(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "not YAML"
        raise _fault(
            f"{source}:{mark.line + 1 if mark else 1}",
            f"not YAML: {problem}",
            "mend this line or the one above",
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _fault(f"{source}:{line}", "a control character", "remove it") from None
    return Document(source, content, reader.lines, tuple(reader.faults))


def _fault(location: str, problem: str, fix: str) -> CatalogFaults:
    return CatalogFaults([InvalidInput(location, problem, fix)])


class _Reader:
    """Builds the tree from the parser's events; recursion is bounded by `_MAX_DEPTH`."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.faults: list[InvalidInput] = []

    def document(self, text: str) -> object:
        events: Iterator[yaml.Event] = yaml.parse(text, Loader=_Loader)
        content: object = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._add(event, "a second document", "write one document in a file")
                    break
                content = self._value(next(events), events, ())
        return content

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> object:
        self.lines.setdefault(path, _line(event))
        if isinstance(event, yaml.AliasEvent):
            self._add(event, f"the alias *{event.anchor}", "write the value out")
            return None
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.tag is not None:
            self._add(event, f"the tag {event.tag}", "remove it")
        if event.anchor is not None:
            self._add(event, f"the anchor &{event.anchor}", "remove it")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if len(path) >= _MAX_DEPTH:
            raise _fault(
                f"{self.source}:{_line(event)}",
                f"nested more than {_MAX_DEPTH} deep",
                "a catalog needs no such depth",
            )
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _sequence(self, events: Iterator[yaml.Event], path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[yaml.Event], path: Path) -> dict[str, object]:
        fields: dict[str, object] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
                self._add(event, "a key that is not plain text", "write a field's name")
                self._value(event, events, (*path, "?"))
                self._value(next(events), events, (*path, "?"))
                continue
            name = event.value
            inner = (*path, name)
            if name in fields:
                first = self.lines[inner]
                self._add(event, f"{path_text(inner)} is written twice, first on line {first}", "keep one")
            self.lines[inner] = line
            fields[name] = self._value(next(events), events, inner)
        return fields

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        text = event.value
        # implicit[0]: the text is plain, so its look decides what it is.
        if not event.implicit[0]:
            return text
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if _INTEGER.fullmatch(text) and len(text) <= MAX_DIGITS:
            return int(text)
        return UnquotedDecimal(text) if _NUMBER_LIKE.fullmatch(text) else text

    def _add(self, event: yaml.Event, problem: str, fix: str) -> None:
        self.faults.append(InvalidInput(f"{self.source}:{_line(event)}", problem, fix))


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1
