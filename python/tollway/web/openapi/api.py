"""An OpenAPI file as the portal holds it: an index of its operations, each read in full when it is opened."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import quote, urlsplit

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.model import Operation, OperationEntry, TagGroup
from tollway.web.openapi.naming import Slugs
from tollway.web.openapi.operation import read_operation
from tollway.web.openapi.references import References
from tollway.web.openapi.tree import items, mapping, read_tree, text

__all__ = ["Api", "read_api"]

_VERSION = re.compile(r"3\.[0-2](?:\.[0-9]+)?")
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
_KEPT = 256
_MOST_FAULTS = 20
_DATA = frozenset({"example", "examples", "default", "enum", "const", "x-example"})


@dataclass(frozen=True)
class Api:
    """A described API. `document` is the file's whole tree: it must not be changed.

    `faults` are what is wrong with parts of it: those are left out or shown without what is missing.
    """

    document: dict[str, object]
    as_json: bytes
    title: str
    version: str
    description: str
    base_path: str
    """What stands before every path: the path of the first server's address, no slash at its end."""
    entries: tuple[OperationEntry, ...]
    groups: tuple[TagGroup, ...]
    faults: tuple[InvalidInput, ...]
    _places: dict[str, tuple[str, str]] = field(repr=False)
    _read: OrderedDict[str, Operation] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def operation(self, slug: str) -> Operation | None:
        """Return the operation at that slug, read in full; the last few hundred are kept."""
        place = self._places.get(slug)
        if place is None:
            return None
        with self._lock:
            present = self._read.get(slug)
            if present is not None:
                self._read.move_to_end(slug)
                return present
        path, method = place
        entry = next(entry for entry in self.entries if entry.slug == slug)
        operation = read_operation(self.document, path, method, entry)
        with self._lock:
            self._read[slug] = operation
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return operation

    def matching(self, method: str, path: str) -> OperationEntry | None:
        """Return the operation that a request's path (percent-encoded, without the base path) belongs to.

        A path without variables wins over one with them, as OpenAPI has it.
        """
        fitting = [
            entry
            for entry in self.entries
            if entry.method == method.upper() and entry.pattern.fullmatch(path)
        ]
        return min(fitting, key=lambda entry: entry.path.count("{"), default=None)


def read_api(raw: bytes, source: str) -> Api:
    """Read an OpenAPI 3 file. `source` is its name, for errors.

    Raises:
        InvalidInput: it can't be used at all. What is wrong with a part of it is in `faults`.
    """
    document = read_tree(raw, source)
    version = document.get("openapi")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        said = f"{version!r:.40}" if version is not None else "missing"
        fix = "convert it with any Swagger converter" if "swagger" in document else 'write openapi: "3.1.0"'
        raise InvalidInput(f"{source}: openapi", f"{said}; only OpenAPI 3.0 to 3.2 is read", fix)
    try:
        as_json = json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput(source, "half of a surrogate pair", "write the whole character") from None
    info = mapping(document.get("info"))
    reader = _Index(document, source)
    reader.read()
    return Api(
        document=document,
        as_json=as_json,
        title=text(info.get("title")) or "API",
        version=str(info.get("version", "")),
        description=text(info.get("description")) or text(info.get("summary")),
        base_path=_base_path(document),
        entries=tuple(reader.entries),
        groups=tuple(_groups(document, reader.entries)),
        faults=tuple(reader.faults[:_MOST_FAULTS]),
        _places=reader.places,
    )


class _Index:
    def __init__(self, document: dict[str, object], source: str) -> None:
        self._document = document
        self._source = source
        self._slugs = Slugs()
        self._ids: set[str] = set()
        self.entries: list[OperationEntry] = []
        self.places: dict[str, tuple[str, str]] = {}
        self.faults: list[InvalidInput] = []

    def read(self) -> None:
        references = References(self._document)
        paths = mapping(self._document.get("paths"))
        if not paths:
            self._add("paths", "there are none", "describe at least one operation")
        for path, node in paths.items():
            if path.startswith("x-"):
                continue
            if not path.startswith("/") or not path.isprintable():
                self._add(
                    f"paths.{path:.60}", "not a path", "begin it with / and write no control characters"
                )
                continue
            item = references.resolve(node)
            for method in _METHODS:
                if method in item:
                    self._operation(path, method, item[method])
        self._check_references()

    def _operation(self, path: str, method: str, node: object) -> None:
        where = f"paths.{path}.{method}"
        if not isinstance(node, dict):
            self._add(where, "not an operation", "write a mapping")
            return
        identity = text(node.get("operationId"))
        if identity and identity in self._ids:
            self._add(f"{where}.operationId", f"{identity!r:.60} is another's too", "give each its own")
        self._ids.add(identity)
        slug = self._slugs.take(identity, f"{method} {path}")
        self.entries.append(
            OperationEntry(
                slug=slug,
                id=identity,
                method=method.upper(),
                path=path,
                title=text(node.get("summary")).strip() or identity or f"{method.upper()} {path}",
                tags=tuple(tag for tag in items(node.get("tags")) if isinstance(tag, str)),
                deprecated=node.get("deprecated") is True,
            )
        )
        self.places[slug] = (path, method)

    def _check_references(self) -> None:
        """Find references that lead nowhere, so that the seller hears of it and not the reader."""
        references = References(self._document)
        seen: set[str] = set()
        waiting: list[object] = [self._document]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
            elif isinstance(node, dict):
                pointer = node.get("$ref")
                if isinstance(pointer, str) and pointer not in seen:
                    seen.add(pointer)
                    self._check(references, pointer)
                waiting.extend(inner for name, inner in node.items() if name not in _DATA)

    def _check(self, references: References, pointer: str) -> None:
        if not pointer.startswith("#"):
            problem, fix = "leads out of the file, and nothing is fetched", "bring it in under components"
        elif not references.resolve({"$ref": pointer}):
            problem, fix = "leads nowhere", "name a place that exists"
        else:
            return
        self._add("$ref", f"{pointer!r:.120} {problem}", fix)

    def _add(self, field_name: str, problem: str, fix: str) -> None:
        self.faults.append(InvalidInput(f"{self._source}: {field_name}", problem, fix))


def _groups(document: dict[str, object], entries: Sequence[OperationEntry]) -> Iterator[TagGroup]:
    """Yield operations by their first tag: the tags the file lists, in its order, then the others."""
    listed = {text(mapping(tag).get("name")): mapping(tag) for tag in items(document.get("tags"))}
    by_tag: dict[str, list[OperationEntry]] = {name: [] for name in listed}
    for entry in entries:
        by_tag.setdefault(entry.tags[0] if entry.tags else "", []).append(entry)
    for name, found in by_tag.items():
        if found:
            description = text(listed.get(name, {}).get("description"))
            yield TagGroup(name or "Operations", description, tuple(found))


def _base_path(document: dict[str, object]) -> str:
    server = mapping(next(iter(items(document.get("servers"))), None))
    address = text(server.get("url"))
    for name, variable in mapping(server.get("variables")).items():
        address = address.replace(f"{{{name}}}", str(mapping(variable).get("default", "")))
    try:
        path = urlsplit(address).path
    except ValueError:
        return ""
    path = quote(path, safe="/:@!$&'()*+,;=~%").rstrip("/")
    return path if path.startswith("/") else ""
