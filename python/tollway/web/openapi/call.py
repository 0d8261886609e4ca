"""A call of an operation, put together the same way for samples and for try-it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.model import PATH_SAFE, KeyPlace, Operation, Parameter, ParameterPlace

__all__ = ["Call", "Values", "build_call", "example_values", "field_name", "wire_texts"]

Values = Mapping[str, str]
"""What was given, by `field_name`; a list has a line, or a part between commas, for each item."""

_Given = Mapping[str, Sequence[str]]
_VARIABLE = re.compile(r"\{([^{}]+)\}")
_LONGEST = 8_000
# What describes the connection or the sender is not a caller's to set.
_FORBIDDEN_HEADERS = frozenset(
    {
        "connection", "content-length", "cookie", "expect", "forwarded", "host", "keep-alive",
        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A request ready to be sent: `target` is path and query, percent-encoded, beginning with a slash.

    A key is in the one or the other, so neither is shown where calls are told of.
    """

    method: str
    target: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: str | None


def field_name(parameter: Parameter) -> str:
    """Return a parameter's name in forms: `query.limit`."""
    return f"{parameter.place}.{parameter.name}"


def wire_texts(value: object) -> list[str]:
    """Write an example as a request carries it: one text, or one for each item of a list."""
    if isinstance(value, list):
        return [text for item in value for text in wire_texts(item)]
    if isinstance(value, str):
        return [value]
    return [json.dumps(value, ensure_ascii=False)]


def example_values(operation: Operation) -> dict[str, str]:
    """Return the examples of what an operation needs, as a reader would have typed them."""
    return {
        field_name(parameter): ",".join(wire_texts(parameter.example))
        for parameter in operation.parameters
        if parameter.required and parameter.example is not None
    }


def build_call(
    operation: Operation, values: Values, body: str | None, key: str | None, base_path: str = ""
) -> Call:
    """Put a call together. Only parameters that the operation has are taken; empty ones are left out.

    Raises:
        InvalidInput: `location` is the field's name: something needed is missing, or can't be sent.
    """
    given = {
        field_name(parameter): _items(parameter, value)
        for parameter in operation.parameters
        if (value := _value(parameter, values)) is not None
    }
    query = list(_query(operation, given))
    headers = list(_headers(operation, given))
    if operation.body is not None and body:
        headers.append(("Content-Type", operation.body.media_type))
    elif operation.body is not None and operation.body.required:
        raise InvalidInput("body", "it is needed", "write it, or take the example")
    if key is not None and operation.key is not None:
        _place(operation.key, key, query, headers)
    target = base_path + _path(operation, given)
    if query:
        target += "?" + urlencode(query, quote_via=quote)
    sent = body if body and operation.body is not None else None
    return Call(operation.entry.method, target, tuple(headers), sent)


def _value(parameter: Parameter, values: Values) -> str | None:
    value = values.get(field_name(parameter), "")
    if not value:
        if parameter.required and parameter.place is not ParameterPlace.COOKIE:
            raise InvalidInput(field_name(parameter), "it is needed", _such_as(parameter))
        return None
    if len(value) > _LONGEST:
        raise InvalidInput(field_name(parameter), f"more than {_LONGEST} characters", "shorten it")
    return value


def _such_as(parameter: Parameter) -> str:
    return f"e.g. {','.join(wire_texts(parameter.example))[:60]}" if parameter.example is not None else ""


def _items(parameter: Parameter, value: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,\n]", value)] if parameter.is_list else [value]


def _path(operation: Operation, given: _Given) -> str:
    texts = {
        parameter.name: ",".join(given[field_name(parameter)])
        for parameter in operation.at(ParameterPlace.PATH)
    }
    for name, written in texts.items():
        if written in {".", ".."}:
            # On its way, it would be taken for a step in the path and lead to another operation.
            raise InvalidInput(
                f"path.{name}", f"{written!r} can't be part of a path", "write a name or a number"
            )
    pieces: list[str] = []
    end = 0
    path = operation.entry.path
    for variable in _VARIABLE.finditer(path):
        pieces += [
            quote(path[end : variable.start()], safe=PATH_SAFE),
            quote(texts[variable[1]], safe=""),
        ]
        end = variable.end()
    return "".join(pieces) + quote(path[end:], safe=PATH_SAFE)


def _query(operation: Operation, given: _Given) -> Iterator[tuple[str, str]]:
    for parameter in operation.at(ParameterPlace.QUERY):
        found = given.get(field_name(parameter))
        if found is not None:
            for written in found if parameter.explode else [",".join(found)]:
                yield parameter.name, written


def _headers(operation: Operation, given: _Given) -> Iterator[tuple[str, str]]:
    for parameter in operation.at(ParameterPlace.HEADER):
        found = given.get(field_name(parameter))
        if found is None or parameter.name.lower() in _FORBIDDEN_HEADERS:
            continue
        written = ",".join(found).strip()
        if not written.isascii() or not written.isprintable():
            problem = "a header holds visible ASCII characters alone"
            raise InvalidInput(field_name(parameter), problem, "remove line ends, accents and the like")
        yield parameter.name, written


def _place(place: KeyPlace, key: str, query: list[tuple[str, str]], headers: list[tuple[str, str]]) -> None:
    pairs = headers if place.place is ParameterPlace.HEADER else query
    # A parameter of the key's name would be a second key.
    pairs[:] = [pair for pair in pairs if pair[0].lower() != place.name.lower()]
    pairs.insert(0, (place.name, place.prefix + key))
