"""Reading one operation in full: parameters, body, answers and where the key goes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from tollway.web.openapi.examples import ExampleMaker
from tollway.web.openapi.model import (
    Answer,
    Body,
    KeyPlace,
    Operation,
    OperationEntry,
    Parameter,
    ParameterPlace,
)
from tollway.web.openapi.references import References
from tollway.web.openapi.schema import SchemaReader, shown
from tollway.web.openapi.tree import items, mapping, text

__all__ = ["is_json", "read_operation"]

_MOST_PARAMETERS = 100
_MOST_ANSWERS = 40
_LONGEST_EXAMPLE = 20_000
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)
_NOT_PARAMETERS = frozenset({"accept", "content-type", "authorization"})  # OpenAPI says so
_DEFAULT_KEY = KeyPlace(ParameterPlace.HEADER, "apikey")


def is_json(media_type: str) -> bool:
    """Tell whether a media type is JSON or one of its kinds."""
    return _JSON.fullmatch(media_type.strip()) is not None


class _Readers(NamedTuple):
    references: References
    schemas: SchemaReader
    examples: ExampleMaker


def read_operation(document: dict[str, object], path: str, method: str, entry: OperationEntry) -> Operation:
    """Read the operation at `paths[path][method]`."""
    references = References(document)
    schemas = SchemaReader(references)
    readers = _Readers(references, schemas, ExampleMaker(references, schemas))
    item = references.resolve(mapping(document.get("paths")).get(path))
    node = mapping(item.get(method))
    return Operation(
        entry=entry,
        description=text(node.get("description")),
        parameters=tuple(_parameters(readers, item, node, path)),
        body=_body(readers, node),
        answers=tuple(_answers(readers, node)),
        key=_key(references, document, node),
    )


def _parameters(
    readers: _Readers, item: dict[str, object], node: dict[str, object], path: str
) -> Iterator[Parameter]:
    found: dict[tuple[str, str], dict[str, object]] = {}
    for each in [*items(item.get("parameters")), *items(node.get("parameters"))][:_MOST_PARAMETERS]:
        parameter = readers.references.resolve(each)
        name, place = text(parameter.get("name")), text(parameter.get("in"))
        if place == ParameterPlace.HEADER and (not _TOKEN.fullmatch(name) or name.lower() in _NOT_PARAMETERS):
            continue
        if name and place in ParameterPlace.__members__.values():
            found[place, name] = parameter
    # A variable in the path that nothing describes is a parameter all the same.
    for name in re.findall(r"\{([^{}]+)\}", path):
        found.setdefault(("path", name), {"required": True, "schema": {"type": "string"}})
    for place in ParameterPlace:
        for (where, name), parameter in found.items():
            if where == place and (place is not ParameterPlace.PATH or f"{{{name}}}" in path):
                yield _parameter(readers, name, place, parameter)


def _parameter(readers: _Readers, name: str, place: ParameterPlace, node: dict[str, object]) -> Parameter:
    content = mapping(next(iter(mapping(node.get("content")).values()), None))
    described = {"schema": content.get("schema"), **node}
    schema = readers.schemas.merged(described.get("schema"))
    required = node.get("required") is True or place is ParameterPlace.PATH
    inner = readers.schemas.merged(schema.get("items"))
    choices = items(schema.get("enum"))
    is_list = schema.get("type") == "array" or bool(inner)
    form = text(node.get("style")) or ("form" if place is ParameterPlace.QUERY else "simple")
    explode = node.get("explode")
    return Parameter(
        name=name,
        place=place,
        required=required,
        description=text(node.get("description")),
        schema=readers.schemas.read(described.get("schema")),
        example=readers.examples.of(described) if required else readers.examples.written(described),
        choices=() if is_list else tuple(shown(choice) for choice in choices if choice is not None),
        is_list=is_list,
        explode=explode if isinstance(explode, bool) else form == "form",
    )


def _body(readers: _Readers, node: dict[str, object]) -> Body | None:
    body = readers.references.resolve(node.get("requestBody"))
    chosen = _content(readers, body)
    if chosen is None:
        return None
    return Body(
        media_type=chosen.media_type,
        required=body.get("required") is True,
        description=text(body.get("description")),
        schema=chosen.schema,
        example=chosen.example,
        is_json=chosen.is_json,
    )


def _content(readers: _Readers, holder: dict[str, object]) -> Body | None:
    """Read the first media type, JSON before all others."""
    content = {
        media_type: mapping(node)
        for media_type, node in mapping(holder.get("content")).items()
        if media_type.isascii() and media_type.isprintable() and len(media_type) <= 200
    }
    if not content:
        return None
    media_type = next(filter(is_json, content), next(iter(content)))
    node = content[media_type]
    as_json = is_json(media_type)
    example = readers.examples.of(node) if as_json or "schema" in node else readers.examples.written(node)
    if isinstance(example, str):
        written = _json_text(example) if as_json else example
    else:
        written = json.dumps(example, ensure_ascii=False, indent=2) if as_json else ""
    return Body(
        media_type=media_type,
        required=False,
        description="",
        schema=readers.schemas.read(node["schema"]) if mapping(node.get("schema")) else None,
        example=written if len(written) <= _LONGEST_EXAMPLE else "",
        is_json=as_json,
    )


def _json_text(example: str) -> str:
    """Return an example that is a text: often it is the JSON itself, written as one."""
    try:
        return json.dumps(json.loads(example), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return json.dumps(example, ensure_ascii=False)


def _answers(readers: _Readers, node: dict[str, object]) -> Iterator[Answer]:
    responses = mapping(node.get("responses"))
    statuses = sorted(status for status in responses if not status.startswith("x-"))
    for status in statuses[:_MOST_ANSWERS]:
        answer = readers.references.resolve(responses[status])
        headers = [
            _parameter(readers, name, ParameterPlace.HEADER, readers.references.resolve(header))
            for name, header in list(mapping(answer.get("headers")).items())[:_MOST_PARAMETERS]
        ]
        yield Answer(
            status=status,
            description=text(answer.get("description")),
            headers=tuple(headers),
            content=_content(readers, answer),
            media_types=tuple(mapping(answer.get("content")))[:_MOST_ANSWERS],
        )


def _key(references: References, document: dict[str, object], node: dict[str, object]) -> KeyPlace | None:
    """Say where the key goes. A file that says nothing of security gets the gateway's own way."""
    security = node.get("security", document.get("security"))
    if not isinstance(security, list):
        return _DEFAULT_KEY
    schemes = mapping(mapping(document.get("components")).get("securitySchemes"))
    needed = [mapping(requirement) for requirement in security]
    if not needed or not all(needed):
        return None  # no requirement, or an empty one among them: it goes without
    for requirement in needed:
        for name in requirement:
            scheme = references.resolve(schemes.get(name))
            key_name, kind = text(scheme.get("name")), text(scheme.get("type"))
            if kind == "apiKey" and _TOKEN.fullmatch(key_name) and scheme.get("in") in {"header", "query"}:
                return KeyPlace(ParameterPlace(text(scheme["in"])), key_name)
            if kind == "http" and text(scheme.get("scheme")).lower() == "bearer":
                return KeyPlace(ParameterPlace.HEADER, "Authorization", "Bearer ")
    return _DEFAULT_KEY
